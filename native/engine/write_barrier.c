#include "write_barrier.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pages.h"

enum {
    WORD = 64,
    /* To open one for a write that was not expected takes some 2 us, to compare one 0.3: a run that comes to more has them
     * all open. */
    OPENED_MOST = 16,
    /* Of those, and of all that one run in so many writes. */
    RESTS_BETWEEN = 64,
    /* Fewer pages between two that are open stay so as well: each range is an entry of the kernel's, who looks for one at
     * each fault, and allows 65,530. */
    CLOSED_TOGETHER_LEAST = 4,
};

static struct write_barrier *first;
static struct sigaction before; /* what the signal did before there was a barrier */
static bool is_installed;

static size_t words_of(size_t pages) {
    return (pages + WORD - 1) / WORD;
}

static bool has(const uint64_t *bits, size_t page) {
    return bits[page / WORD] >> (page % WORD) & 1;
}

static void set(uint64_t *bits, size_t begin, size_t end, bool value) {
    for (size_t page = begin; page < end; page++) {
        uint64_t bit = (uint64_t)1 << (page % WORD);
        bits[page / WORD] = value ? bits[page / WORD] | bit : bits[page / WORD] & ~bit;
    }
}

static bool protect(struct write_barrier *barrier, size_t begin, size_t end, bool closed) {
    int allowed = closed ? PROT_READ : PROT_READ | PROT_WRITE;
    if (mprotect(barrier->heap + begin * PAGE, (end - begin) * PAGE, allowed) != 0) {
        return false;
    }
    set(barrier->closed, begin, end, closed);
    return true;
}

static bool open_page(struct write_barrier *barrier, size_t page) {
    bool all = ++barrier->opened > OPENED_MOST;
    return (all && protect(barrier, 0, barrier->pages, false)) || protect(barrier, page, page + 1, false);
}

/* ---- the signal ---- */

/* Whether there was a closed page, which is open now. */
static bool let_write(struct write_barrier *barrier, const void *place) {
    uintptr_t begin = (uintptr_t)barrier->heap, at = (uintptr_t)place;
    size_t page = (at - begin) / PAGE;
    if (at < begin || page >= barrier->pages || !has(barrier->closed, page)) {
        return false;
    }
    write_barrier_found(barrier, page);
    return open_page(barrier, page);
}

/* Do what was done before there was a barrier. */
static void pass_on(int number, siginfo_t *information, void *context) {
    if (before.sa_flags & SA_SIGINFO) {
        before.sa_sigaction(number, information, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
        before.sa_handler(number);
    } else {
        /* A confined process may not ask for the signal's own action. The kernel takes that for a fault while the signal is
         * held back, which it is here. The address is no page's on any machine. */
        volatile uint8_t *nowhere = (volatile uint8_t *)((uintptr_t)1 << 63);
        for (;;) {
            (void)*nowhere;
        }
    }
}

static void meet_fault(int number, siginfo_t *information, void *context) {
    int error = errno;
    if (information->si_code == SEGV_ACCERR) {
        for (struct write_barrier *barrier = first; barrier != NULL; barrier = barrier->next) {
            if (let_write(barrier, information->si_addr)) {
                errno = error;
                return;
            }
        }
    }
    pass_on(number, information, context);
}

static bool install(void) {
    if (!is_installed) {
        struct sigaction action = {.sa_sigaction = meet_fault, .sa_flags = SA_SIGINFO};
        sigemptyset(&action.sa_mask);
        is_installed = sigaction(SIGSEGV, &action, &before) == 0;
    }
    return is_installed;
}

/* ---- life ---- */

void write_barrier_open(struct write_barrier *barrier, uint8_t *heap) {
    *barrier = (struct write_barrier){.next = first, .heap = heap, .off = !install() || sysconf(_SC_PAGESIZE) != PAGE};
    first = barrier;
}

void write_barrier_close(struct write_barrier *barrier) {
    for (struct write_barrier **link = &first; *link != NULL; link = &(*link)->next) {
        if (*link == barrier) {
            *link = barrier->next;
            break;
        }
    }
    free(barrier->closed);
    free(barrier->written);
    *barrier = (struct write_barrier){.off = true};
}

bool write_barrier_make_room(struct write_barrier *barrier, size_t pages) {
    if (pages <= barrier->pages) {
        return true;
    }
    size_t words = words_of(pages), had = words_of(barrier->pages);
    uint64_t *closed = calloc(words, sizeof *closed), *written = calloc(words, sizeof *written);
    if (closed == NULL || written == NULL) {
        free(closed);
        free(written);
        return false;
    }
    if (had != 0) {
        memcpy(closed, barrier->closed, had * sizeof *closed);
        memcpy(written, barrier->written, had * sizeof *written);
    }
    free(barrier->closed);
    free(barrier->written);
    barrier->closed = closed;
    barrier->written = written;
    barrier->pages = pages;
    return true;
}

/* ---- what may have been written ---- */

size_t write_barrier_next(const struct write_barrier *barrier, size_t page, size_t pages) {
    while (page < pages && page < barrier->pages) {
        uint64_t open = ~barrier->closed[page / WORD] >> (page % WORD);
        if (open != 0) {
            page += (size_t)__builtin_ctzll(open);
            break;
        }
        page += WORD - page % WORD;
    }
    return page < pages ? page : pages;
}

/* Without them nothing is closed, and all is as it was. Those who are not let write by it are let by the signal. */
static void turn_off(struct write_barrier *barrier) {
    barrier->off = true;
    (void)protect(barrier, 0, barrier->pages, false);
}

void write_barrier_expect(struct write_barrier *barrier, size_t page) {
    if (page < barrier->pages && has(barrier->closed, page) && !open_page(barrier, page)) {
        turn_off(barrier);
    }
}

static void close_pages(struct write_barrier *barrier, size_t pages) {
    for (size_t begin = 0; begin < pages && !barrier->off; begin++) {
        bool is_new = false;
        size_t end = begin;
        while (end < pages && !has(barrier->written, end)) {
            is_new = is_new || !has(barrier->closed, end);
            end++;
        }
        if (is_new && end - begin >= CLOSED_TOGETHER_LEAST && !protect(barrier, begin, end, true)) {
            turn_off(barrier);
        }
        begin = end;
    }
}

void write_barrier_rest(struct write_barrier *barrier, size_t pages) {
    barrier->opened = 0;
    if (++barrier->rests < RESTS_BETWEEN) {
        return;
    }
    barrier->rests = 0;
    close_pages(barrier, pages < barrier->pages ? pages : barrier->pages);
    for (size_t word = 0; word < words_of(barrier->pages); word++) {
        barrier->written[word] = 0;
    }
}

size_t write_barrier_closed(const struct write_barrier *barrier) {
    size_t closed = 0;
    for (size_t word = 0; word < words_of(barrier->pages); word++) {
        closed += (size_t)__builtin_popcountll(barrier->closed[word]);
    }
    return closed;
}
