/* Which pages of a heap may differ from what it was set back to, so that only those are compared with it.
 *
 * A page that has not been written for a while is protected, and the first who writes to it all the same is let: a signal's
 * handler opens the page, and the write is done again. Runs of one program write to the same pages, so that after the first
 * few none meets a protected one. Whatever is not protected counts as written: where the kernel has another size of pages
 * or no room for more ranges of memory, all of it does. */
#ifndef ENGINE_WRITE_BARRIER_H
#define ENGINE_WRITE_BARRIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct write_barrier {
    struct write_barrier *next; /* of this process */
    uint8_t *heap;
    size_t pages;      /* that the bits below tell of; all behind them are open */
    uint64_t *closed;  /* a bit for each page that is protected */
    uint64_t *written; /* and for each that was written since pages were closed last */
    unsigned rests;    /* since then */
    unsigned opened;   /* one by one, since the heap was set back */
    bool off;          /* nothing is closed any more */
};

/* For a heap that begins at a page. It has to stay where it is until the barrier is closed; all of it is open. Engines are
 * used by one thread at a time. */
void write_barrier_open(struct write_barrier *barrier, uint8_t *heap);
void write_barrier_close(struct write_barrier *barrier);

/* Have bits for so many pages. False where there is no memory. */
bool write_barrier_make_room(struct write_barrier *barrier, size_t pages);

/* The first page from this one on that may have been written; `pages` where none of the first so many has. */
size_t write_barrier_next(const struct write_barrier *barrier, size_t page, size_t pages);

/* Say that a page was found to differ. */
static inline void write_barrier_found(struct write_barrier *barrier, size_t page) {
    if (page < barrier->pages) {
        barrier->written[page / 64] |= (uint64_t)1 << (page % 64);
    }
}

/* Open a page that is about to be written, or to be compared since what it is set back to has changed. */
void write_barrier_expect(struct write_barrier *barrier, size_t page);

/* Say that the heap has been set back; from time to time those of the first so many pages are closed that were not written. */
void write_barrier_rest(struct write_barrier *barrier, size_t pages);

/* How many pages are closed. */
size_t write_barrier_closed(const struct write_barrier *barrier);

#endif
