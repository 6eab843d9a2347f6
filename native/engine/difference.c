#include "difference.h"

#include <stdlib.h>

enum {
    CHUNK_WORDS = CHUNK / sizeof(uint32_t),
    PAGE_WORDS = PAGE / sizeof(uint32_t),
};

typedef uint32_t word __attribute__((may_alias));

static bool make_room(void **list, uint32_t *room, size_t wanted, size_t size) {
    if (wanted <= *room) {
        return true;
    }
    size_t larger = wanted + wanted / 2;
    void *moved = larger > UINT32_MAX ? NULL : realloc(*list, larger * size);
    if (moved == NULL) {
        return false;
    }
    *list = moved;
    *room = (uint32_t)larger;
    return true;
}

static bool room_for_page(struct difference *difference) {
    uint32_t room = difference->pages_room;
    return make_room((void **)&difference->maps, &room, (size_t)difference->pages + 1, sizeof(uint64_t)) &&
           make_room((void **)&difference->numbers, &difference->pages_room, (size_t)difference->pages + 1,
                     sizeof(uint32_t));
}

static bool room_for_chunks(struct difference *difference) {
    return make_room((void **)&difference->masks, &difference->chunks_room, (size_t)difference->chunks + PAGE_CHUNKS,
                     sizeof(uint16_t)) &&
           make_room((void **)&difference->values, &difference->words_room, (size_t)difference->words + PAGE_WORDS,
                     sizeof(uint32_t));
}

void difference_clear(struct difference *difference) {
    difference->pages = difference->chunks = difference->words = 0;
}

void difference_free(struct difference *difference) {
    free(difference->maps);
    free(difference->numbers);
    free(difference->masks);
    free(difference->values);
}

bool difference_add_page(struct difference *difference, uint32_t number, uint64_t map, const uint8_t *page,
                         const uint8_t *other) {
    if (!room_for_page(difference) || !room_for_chunks(difference)) {
        return false;
    }
    difference->maps[difference->pages] = map;
    difference->numbers[difference->pages++] = number;
    uint32_t words = difference->words;
    for (; map != 0; map &= map - 1) {
        size_t at = first_chunk(map);
        const word *a = (const word *)(page + at), *b = (const word *)(other + at);
        uint32_t mask = 0;
        for (unsigned index = 0; index < CHUNK_WORDS; index++) {
            uint32_t differs = a[index] != b[index];
            difference->values[words] = a[index];
            words += differs;
            mask |= differs << index;
        }
        difference->masks[difference->chunks++] = (uint16_t)mask;
    }
    difference->words = words;
    return true;
}
