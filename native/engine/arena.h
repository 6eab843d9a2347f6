/* The memory of one JavaScript engine: everything that it has lies in one stretch of addresses, and the allocator's own
 * state with it, so that a copy of the stretch is a copy of the engine. The addresses are the kernel's choice when the
 * arena is made; processes forked afterwards have it at the same ones. */

#ifndef ENGINE_ARENA_H
#define ENGINE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* Called where a limit would be passed, before NULL is given. It may leave by longjmp: whoever restores the heap from
 * an image afterwards needs nothing that was in progress. */
typedef void arena_exhausted(void *opaque);

/* An arena of at most `room` bytes of heap, which are taken from the system as they are used. NULL with errno set. */
struct arena *arena_new(size_t room);
void arena_delete(struct arena *arena);

/* What the engine calls (JSMallocFunctions); `arena` is its opaque pointer. Blocks are aligned to 16 bytes. */
void *arena_malloc(void *arena, size_t size);
void *arena_calloc(void *arena, size_t count, size_t size);
void *arena_realloc(void *arena, void *payload, size_t size);
void arena_free(void *arena, void *payload);
size_t arena_usable_size(const void *payload);

/* Hold the heap's extent to `bytes`, or to the arena's room where that is less. What is beyond it already stays. */
void arena_limit(struct arena *arena, size_t bytes);
void arena_on_exhausted(struct arena *arena, arena_exhausted *exhausted, void *opaque);

/* The heap as a whole: where it begins, the bytes up to the end of its last block, and of them those in use. The
 * first are what a limit counts and what an image has to hold. */
uint8_t *arena_heap(const struct arena *arena);
size_t arena_extent(const struct arena *arena);
size_t arena_in_use(const struct arena *arena);
size_t arena_room(const struct arena *arena);

/* A walk over the free blocks of a heap. It reads only what lies behind the block that it gave last. */
struct arena_idle {
    const struct arena *arena;
    size_t extent, at;
    size_t begin, end; /* bytes that mean nothing, as offsets in the heap */
};

struct arena_idle arena_idle_of(const struct arena *arena);
/* Whether there is another one. */
bool arena_next_idle(struct arena_idle *idle);

/* Zero all that was written beyond `extent`, which is the heap's, and give large parts of it back to the system. */
void arena_clear_beyond(struct arena *arena, size_t extent);

/* Say that `extent` bytes of the heap have been written from outside. */
void arena_touch(struct arena *arena, size_t extent);

#endif
