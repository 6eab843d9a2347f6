/* A heap as pages and chunks: what is compared at once, and what is kept of a page that differs. */
#ifndef ENGINE_PAGES_H
#define ENGINE_PAGES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    PAGE = 4096,
    CHUNK = 64,
    PAGE_CHUNKS = PAGE / CHUNK, /* as many as a map has bits */
};

static inline size_t whole_pages(size_t bytes) {
    return (bytes + PAGE - 1) / PAGE;
}

/* Where the first chunk of a map lies in its page. */
static inline size_t first_chunk(uint64_t map) {
    return (size_t)__builtin_ctzll(map) * CHUNK;
}

static inline void copy_chunks(uint8_t *to, const uint8_t *from, uint64_t map) {
    for (; map != 0; map &= map - 1) {
        size_t at = first_chunk(map);
        memcpy(to + at, from + at, CHUNK);
    }
}

/* The chunks in which two pages differ. Both are aligned as pages are. */
uint64_t pages_differ(const uint8_t *page, const uint8_t *other);

#endif
