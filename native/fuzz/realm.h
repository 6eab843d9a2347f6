/* One engine for a fuzz target with all that functions of native/engine find by it: its realm lies in memory of malloc's, where
 * the sanitizers see each byte of it, and not in an arena. */
#ifndef FUZZ_REALM_H
#define FUZZ_REALM_H

#include "engine.h"
#include "engine/engine.h"

struct fuzzed_realm {
    struct fuzzed_engine fuzzed;
    struct engine engine;
    struct realm realm;
};

/* Opens an engine whose scripts are interrupted after some milliseconds and may have so many bytes. Where the engine's
 * `inside` is set it is left for its `outside` once there is no more memory or time, as a worker leaves it: the engine itself
 * does not bear to be refused memory wherever it asks for some. */
void fuzzed_realm_open(struct fuzzed_realm *opened, size_t memory_bytes);

/* Lets go of all of it at once, wherever it was left, as a worker does with a heap. */
void fuzzed_realm_close(struct fuzzed_realm *opened);

#define PARTS_MOST 16

/* The parts of an input, which a byte divides that no UTF-8 has. Each has a block of its own, and ends with a zero. */
struct parts {
    unsigned count;
    struct part {
        char *text;
        size_t length;
    } of[PARTS_MOST];
};

void parts_make(struct parts *parts, const uint8_t *bytes, size_t length);
void parts_free(struct parts *parts);

#endif
