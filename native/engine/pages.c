#include "pages.h"

#include <stdbool.h>

typedef uint64_t lanes __attribute__((vector_size(16), may_alias));

static inline bool differ(const uint8_t *chunk, const uint8_t *other) {
    const lanes *a = (const lanes *)chunk, *b = (const lanes *)other;
    lanes difference = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
    return (difference[0] | difference[1]) != 0;
}

uint64_t pages_differ(const uint8_t *page, const uint8_t *other) {
    uint64_t map = 0;
    for (unsigned chunk = 0; chunk < PAGE_CHUNKS; chunk++) {
        map |= (uint64_t)differ(page + chunk * CHUNK, other + chunk * CHUNK) << chunk;
    }
    return map;
}
