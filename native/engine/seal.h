/* SipHash-1-3 (Aumasson and Bernstein, 2012), a sum of bytes under a key. It is of the weaker and faster sort that tables
 * use: half of what taking the image of a large heap costs would go into SipHash-2-4. */
#ifndef ENGINE_SEAL_H
#define ENGINE_SEAL_H

#include <stddef.h>
#include <stdint.h>

#define SEAL_KEY_BYTES 16

struct seal {
    uint64_t state[4];
    uint64_t word; /* of what was added, what makes no whole word yet */
    uint64_t bytes;
};

void seal_begin(struct seal *seal, const uint8_t key[SEAL_KEY_BYTES]);
void seal_add(struct seal *seal, const void *data, size_t bytes);
uint64_t seal_end(struct seal *seal);

#endif
