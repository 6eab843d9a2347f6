#include "seal.h"

#include <string.h>

static inline uint64_t rotated(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static inline void mix(uint64_t state[4]) {
    state[0] += state[1];
    state[1] = rotated(state[1], 13) ^ state[0];
    state[0] = rotated(state[0], 32);
    state[2] += state[3];
    state[3] = rotated(state[3], 16) ^ state[2];
    state[0] += state[3];
    state[3] = rotated(state[3], 21) ^ state[0];
    state[2] += state[1];
    state[1] = rotated(state[1], 17) ^ state[2];
    state[2] = rotated(state[2], 32);
}

static inline void add_word(uint64_t state[4], uint64_t word) {
    state[3] ^= word;
    mix(state);
    state[0] ^= word;
}

void seal_begin(struct seal *seal, const uint8_t key[SEAL_KEY_BYTES]) {
    uint64_t half[2];
    memcpy(half, key, sizeof half);
    seal->state[0] = half[0] ^ UINT64_C(0x736f6d6570736575);
    seal->state[1] = half[1] ^ UINT64_C(0x646f72616e646f6d);
    seal->state[2] = half[0] ^ UINT64_C(0x6c7967656e657261);
    seal->state[3] = half[1] ^ UINT64_C(0x7465646279746573);
    seal->word = 0;
    seal->bytes = 0;
}

void seal_add(struct seal *seal, const void *data, size_t bytes) {
    const uint8_t *byte = data;
    const uint8_t *end = byte + bytes;
    while (byte < end && seal->bytes % 8 != 0) {
        seal->word |= (uint64_t)*byte++ << 8 * (seal->bytes % 8);
        if (++seal->bytes % 8 == 0) {
            add_word(seal->state, seal->word);
            seal->word = 0;
        }
    }
    uint64_t state[4];
    memcpy(state, seal->state, sizeof state);
    for (; (size_t)(end - byte) >= 8; byte += 8, seal->bytes += 8) {
        uint64_t word;
        memcpy(&word, byte, sizeof word);
        add_word(state, word);
    }
    memcpy(seal->state, state, sizeof state);
    for (; byte < end; byte++, seal->bytes++) {
        seal->word |= (uint64_t)*byte << 8 * (seal->bytes % 8);
    }
}

uint64_t seal_end(struct seal *seal) {
    add_word(seal->state, seal->word | seal->bytes << 56);
    seal->state[2] ^= 0xff;
    for (int round = 0; round < 3; round++) {
        mix(seal->state);
    }
    return seal->state[0] ^ seal->state[1] ^ seal->state[2] ^ seal->state[3];
}
