/* Pages that differ from others, word by word of 32 bits. */
#ifndef ENGINE_DIFFERENCE_H
#define ENGINE_DIFFERENCE_H

#include <stdbool.h>

#include "pages.h"

struct difference {
    uint32_t pages, chunks, words;
    uint32_t pages_room, chunks_room, words_room;
    uint64_t *maps;    /* of each page the chunks that differ */
    uint32_t *numbers; /* of each page */
    uint16_t *masks;   /* of each such chunk the words that differ */
    uint32_t *values;  /* of each such word what it is */
};

/* Adds what differs in the chunks of a map. False where there is no memory. */
bool difference_add_page(struct difference *difference, uint32_t number, uint64_t map, const uint8_t *page,
                         const uint8_t *other);

/* Makes it empty; its memory is kept for the next one. */
void difference_clear(struct difference *difference);
void difference_free(struct difference *difference);

#endif
