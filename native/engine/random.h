/* Math.random by a generator of our own, xoshiro256++ (Blackman and Vigna, 2019), whose seed is given: the same seed
 * gives the same numbers, and its state lies in the engine's heap, so that a run that waited goes on with it. */
#ifndef ENGINE_RANDOM_H
#define ENGINE_RANDOM_H

#include "library.h"

#define RANDOM_KEY_BYTES 32

struct random {
    uint64_t state[4];
    uint64_t seed;
    uint32_t moment; /* when the run began: of 64 bits alone two runs of some billions have the same */
    uint64_t used;   /* bytes of the run's other stream, that of cryptography.h */
    /* Of that stream, where the run has a key of its own. */
    bool has_key;
    uint8_t key[RANDOM_KEY_BYTES];
};

/* Puts our Math.random in place of the engine's. False with an exception of the engine's. */
bool random_open(JSContext *context);
void random_seed(struct random *random, uint64_t seed);

/* The generator of a context; whoever opens it has this function. */
struct random *random_of(JSContext *context);

#endif
