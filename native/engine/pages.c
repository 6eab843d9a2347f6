#include "pages.h"

#include <stdbool.h>

#ifdef __x86_64__
#include <immintrin.h>

/* In 60 % of the time that it takes without; to compare an engine with what it is set back to is a tenth of a short run. */
__attribute__((target("avx2"))) static uint64_t differ_by_avx2(const uint8_t *page, const uint8_t *other) {
    uint64_t map = 0;
    for (unsigned chunk = 0; chunk < PAGE_CHUNKS; chunk++) {
        const __m256i *a = (const __m256i *)(page + chunk * CHUNK), *b = (const __m256i *)(other + chunk * CHUNK);
        __m256i difference = _mm256_or_si256(_mm256_xor_si256(a[0], b[0]), _mm256_xor_si256(a[1], b[1]));
        map |= (uint64_t)!_mm256_testz_si256(difference, difference) << chunk;
    }
    return map;
}
#endif

typedef uint64_t lanes __attribute__((vector_size(16), may_alias));

static bool differ(const uint8_t *chunk, const uint8_t *other) {
    const lanes *a = (const lanes *)chunk, *b = (const lanes *)other;
    lanes difference = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
    return (difference[0] | difference[1]) != 0;
}

uint64_t pages_differ(const uint8_t *page, const uint8_t *other) {
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) {
        return differ_by_avx2(page, other);
    }
#endif
    uint64_t map = 0;
    for (unsigned chunk = 0; chunk < PAGE_CHUNKS; chunk++) {
        map |= (uint64_t)differ(page + chunk * CHUNK, other + chunk * CHUNK) << chunk;
    }
    return map;
}
