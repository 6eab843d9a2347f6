/* The memory that one engine may have: the functions that quickjs is given in place of malloc, and the limit on it. */
#ifndef ENGINE_ALLOCATOR_H
#define ENGINE_ALLOCATOR_H

#include "engine/library.h"

struct allocator {
    size_t used; /* bytes of all blocks, as large as they were made */
    size_t most;
    bool refused;   /* a block was asked for that would have passed the limit */
    bool exhausted; /* the process itself had no memory left for one */
};

/* Their opaque pointer is a struct allocator, which outlives the runtime that they are given to. */
extern const JSMallocFunctions allocator_functions;

#endif
