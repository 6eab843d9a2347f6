/* The memory that one engine may have: the functions that quickjs is given in place of malloc, and the limit on it. */
#ifndef ENGINE_ALLOCATOR_H
#define ENGINE_ALLOCATOR_H

#include "engine/library.h"

struct block {
    struct block *before, *after;
};

struct allocator {
    struct block *last; /* of all blocks, each of which begins with its place among them */
    size_t used;        /* bytes of all blocks, as large as they were made */
    size_t most;
    bool refused;   /* a block was asked for that would have passed the limit */
    bool exhausted; /* the process itself had no memory left for one */
    /* Called before a block is refused, unless it is NULL. It may leave by longjmp, as an arena's may. */
    void (*refusal)(void *opaque);
    void *opaque;
};

/* Their opaque pointer is a struct allocator, which outlives the runtime that they are given to. */
extern const JSMallocFunctions allocator_functions;

/* Free the blocks that are left: the engine forgets some where it is refused memory. */
void allocator_clear(struct allocator *allocator);

#endif
