#include "image.h"

#include <stdlib.h>
#include <string.h>

enum {
    PAGE = 4096,
    CHUNK = 64, /* what is compared at once */
    PAGE_CHUNKS = PAGE / CHUNK,
    CHUNK_WORDS = CHUNK / sizeof(uint32_t),
    PAGE_WORDS = PAGE / sizeof(uint32_t),
    MAGIC = 0x31494653,
    NO_GROUND = 0, /* seal of the base, which has none */
};

/* An image: this, then of each page that differs the map of its chunks (64 bits), of each its number (32), of each chunk
 * in those maps the mask of its words that differ (16), filled up to 32, these words, and the seal. */
struct header {
    uint32_t magic;
    uint32_t pages;
    uint32_t chunks;
    uint32_t words;
    uint64_t extent;
    uint64_t ground; /* the seal of the program's image that this one is on */
};

/* Pages that differ, and what of them does. */
struct difference {
    uint32_t pages, chunks, words;
    uint32_t pages_room, chunks_room, words_room;
    uint64_t *maps;
    uint32_t *numbers;
    uint16_t *masks;
    uint32_t *values;
};

/* Where the parts of an image begin. */
struct parts {
    struct header header;
    const uint8_t *maps, *numbers, *masks, *values, *seal;
};

struct images {
    struct arena *arena;
    uint8_t key[SEAL_KEY_BYTES];
    uint8_t *base;
    size_t base_extent;
    uint8_t *ground;      /* whole pages; zeros beyond its extent */
    size_t ground_extent; /* of whichever is largest, the base or what is laid on it */
    size_t ground_room;
    uint64_t ground_seal;   /* of the image that was laid last */
    struct difference laid; /* the pages and chunks in which the ground is not the base, some twice; no words of them */
    struct difference taken;
    size_t taken_extent;
    bool clean; /* the arena is as the ground */
};

typedef uint32_t word __attribute__((may_alias));
typedef uint64_t lanes __attribute__((vector_size(16), may_alias));

static const uint8_t zeros[PAGE] __attribute__((aligned(CHUNK)));

static inline size_t whole_pages(size_t bytes) {
    return (bytes + PAGE - 1) / PAGE;
}

static inline bool differ(const uint8_t *one, const uint8_t *other) {
    const lanes *a = (const lanes *)one, *b = (const lanes *)other;
    lanes difference = (a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]);
    return (difference[0] | difference[1]) != 0;
}

/* The chunks of a page that differ, as a map. */
static uint64_t changed(const uint8_t *live, const uint8_t *ground) {
    uint64_t map = 0;
    for (unsigned chunk = 0; chunk < PAGE_CHUNKS; chunk++) {
        map |= (uint64_t)differ(live + chunk * CHUNK, ground + chunk * CHUNK) << chunk;
    }
    return map;
}

static void copy_chunks(uint8_t *to, const uint8_t *from, uint64_t map) {
    for (; map != 0; map &= map - 1) {
        size_t at = (size_t)__builtin_ctzll(map) * CHUNK;
        memcpy(to + at, from + at, CHUNK);
    }
}

/* ---- differences ---- */

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

static void clear_difference(struct difference *difference) {
    difference->pages = difference->chunks = difference->words = 0;
}

static void free_difference(struct difference *difference) {
    free(difference->maps);
    free(difference->numbers);
    free(difference->masks);
    free(difference->values);
}

static bool add_page(struct difference *difference, uint32_t number, uint64_t map, const uint8_t *live,
                     const uint8_t *ground) {
    if (!room_for_page(difference) || !room_for_chunks(difference)) {
        return false;
    }
    difference->maps[difference->pages] = map;
    difference->numbers[difference->pages++] = number;
    uint32_t words = difference->words;
    for (; map != 0; map &= map - 1) {
        size_t at = (size_t)__builtin_ctzll(map) * CHUNK;
        const word *a = (const word *)(live + at), *b = (const word *)(ground + at);
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

static size_t bytes_of(uint32_t pages, uint32_t chunks, uint32_t words) {
    size_t masks = ((size_t)chunks * sizeof(uint16_t) + 3) & ~(size_t)3;
    return sizeof(struct header) + (size_t)pages * (sizeof(uint64_t) + sizeof(uint32_t)) + masks +
           (size_t)words * sizeof(uint32_t) + sizeof(uint64_t);
}

/* ---- the arena and its ground ---- */

static const uint8_t *ground_page(const struct images *images, size_t number) {
    return number * PAGE < images->ground_extent ? images->ground + number * PAGE : zeros;
}

static void set_back(struct images *images) {
    if (images->clean) {
        return;
    }
    uint8_t *heap = arena_heap(images->arena);
    size_t pages = whole_pages(images->ground_extent);
    for (size_t number = 0; number < pages; number++) {
        uint8_t *live = heap + number * PAGE;
        const uint8_t *ground = images->ground + number * PAGE;
        copy_chunks(live, ground, changed(live, ground));
    }
    arena_clear_beyond(images->arena, images->ground_extent);
    images->clean = true;
}

void images_begin(struct images *images) {
    set_back(images);
    images->clean = false;
}

struct images *images_new(struct arena *arena, const uint8_t key[SEAL_KEY_BYTES]) {
    struct images *images = calloc(1, sizeof *images);
    if (images == NULL) {
        return NULL;
    }
    images->arena = arena;
    memcpy(images->key, key, sizeof images->key);
    images->base_extent = images->ground_extent = arena_extent(arena);
    images->ground_room = whole_pages(images->base_extent) * PAGE;
    images->base = aligned_alloc(PAGE, images->ground_room);
    images->ground = aligned_alloc(PAGE, images->ground_room);
    if (images->base == NULL || images->ground == NULL) {
        images_delete(images);
        return NULL;
    }
    arena_clear_beyond(arena, images->base_extent);
    memcpy(images->base, arena_heap(arena), images->ground_room);
    memcpy(images->ground, images->base, images->ground_room);
    return images;
}

void images_delete(struct images *images) {
    if (images == NULL) {
        return;
    }
    free(images->base);
    free(images->ground);
    free_difference(&images->laid);
    free_difference(&images->taken);
    free(images);
}

/* ---- taking ---- */

/* The chunks of the page at `offset` that are wholly free: what is in them is not worth keeping. `any` says whether there
 * is a free block that the walk is at; pages are asked for in ascending order. */
static uint64_t idle_chunks(struct arena_idle *idle, bool *any, size_t offset) {
    uint64_t map = 0;
    while (*any && idle->begin < offset + PAGE) {
        if (idle->end > offset) {
            size_t first = idle->begin <= offset ? 0 : (idle->begin - offset + CHUNK - 1) / CHUNK;
            size_t behind = idle->end >= offset + PAGE ? PAGE_CHUNKS : (idle->end - offset) / CHUNK;
            for (size_t chunk = first; chunk < behind; chunk++) {
                map |= (uint64_t)1 << chunk;
            }
            if (idle->end > offset + PAGE) {
                break;
            }
        }
        *any = arena_next_idle(idle);
    }
    return map;
}

enum image_result images_take(struct images *images, size_t most, size_t *bytes) {
    struct difference *taken = &images->taken;
    uint8_t *heap = arena_heap(images->arena);
    size_t extent = arena_extent(images->arena);
    size_t compared = extent > images->ground_extent ? extent : images->ground_extent;
    memset(heap + extent, 0, whole_pages(extent) * PAGE - extent);
    struct arena_idle idle = arena_idle_of(images->arena);
    bool any = arena_next_idle(&idle);
    clear_difference(taken);
    enum image_result result = IMAGE_DONE;
    for (size_t number = 0; result == IMAGE_DONE && number < whole_pages(compared); number++) {
        uint8_t *live = heap + number * PAGE;
        const uint8_t *ground = ground_page(images, number);
        uint64_t map = changed(live, ground);
        if (map == 0) {
            continue;
        }
        uint64_t kept = number * PAGE < extent ? map & ~idle_chunks(&idle, &any, number * PAGE) : 0;
        if (kept != 0 && !add_page(taken, (uint32_t)number, kept, live, ground)) {
            result = IMAGE_NO_MEMORY;
        }
        if (bytes_of(taken->pages, taken->chunks, taken->words) > most) {
            result = IMAGE_TOO_LARGE;
        }
        if (ground != zeros) {
            /* The walk over free blocks is past this page. */
            copy_chunks(live, ground, map);
        }
    }
    if (result == IMAGE_DONE) {
        arena_clear_beyond(images->arena, images->ground_extent);
        images->clean = true;
    } else {
        set_back(images);
    }
    images->taken_extent = extent;
    *bytes = images_taken_bytes(images);
    return result;
}

size_t images_taken_bytes(const struct images *images) {
    return bytes_of(images->taken.pages, images->taken.chunks, images->taken.words);
}

static uint64_t seal_of(const struct images *images, struct image_context context, const uint8_t *image, size_t bytes) {
    struct seal seal;
    uint64_t length = context.bytes;
    seal_begin(&seal, images->key);
    seal_add(&seal, &length, sizeof length);
    if (context.bytes != 0) {
        seal_add(&seal, context.data, context.bytes);
    }
    seal_add(&seal, image, bytes);
    return seal_end(&seal);
}

static uint8_t *written(uint8_t *to, const void *from, size_t bytes) {
    if (bytes != 0) {
        memcpy(to, from, bytes);
    }
    return to + bytes;
}

void images_write(const struct images *images, struct image_context context, uint8_t *image) {
    const struct difference *taken = &images->taken;
    struct header header = {
        .magic = MAGIC,
        .pages = taken->pages,
        .chunks = taken->chunks,
        .words = taken->words,
        .extent = images->taken_extent,
        .ground = images->ground_seal,
    };
    static const uint16_t filling = 0;
    uint8_t *at = written(image, &header, sizeof header);
    at = written(at, taken->maps, taken->pages * sizeof *taken->maps);
    at = written(at, taken->numbers, taken->pages * sizeof *taken->numbers);
    at = written(at, taken->masks, taken->chunks * sizeof *taken->masks);
    at = written(at, &filling, taken->chunks % 2 * sizeof filling);
    at = written(at, taken->values, taken->words * sizeof *taken->values);
    uint64_t seal = seal_of(images, context, image, (size_t)(at - image));
    written(at, &seal, sizeof seal);
}

/* ---- putting ---- */

static uint64_t map_at(const struct parts *parts, uint32_t page) {
    uint64_t map;
    memcpy(&map, parts->maps + page * sizeof map, sizeof map);
    return map;
}

static uint32_t number_at(const struct parts *parts, uint32_t page) {
    uint32_t number;
    memcpy(&number, parts->numbers + page * sizeof number, sizeof number);
    return number;
}

static uint16_t mask_at(const struct parts *parts, uint32_t chunk) {
    uint16_t mask;
    memcpy(&mask, parts->masks + chunk * sizeof mask, sizeof mask);
    return mask;
}

/* Whether the maps name as many chunks and words as the image has, in ascending pages within its extent. */
static bool is_sound(const struct parts *parts) {
    uint64_t chunks = 0, words = 0;
    size_t pages = whole_pages(parts->header.extent);
    for (uint32_t page = 0; page < parts->header.pages; page++) {
        uint32_t number = number_at(parts, page);
        if (number >= pages || (page > 0 && number <= number_at(parts, page - 1))) {
            return false;
        }
        chunks += (unsigned)__builtin_popcountll(map_at(parts, page));
    }
    if (chunks != parts->header.chunks) {
        return false;
    }
    for (uint32_t chunk = 0; chunk < parts->header.chunks; chunk++) {
        words += (unsigned)__builtin_popcount(mask_at(parts, chunk));
    }
    return words == parts->header.words;
}

static enum image_result read_parts(const struct images *images, const uint8_t *image, size_t bytes,
                                    struct image_context context, uint64_t ground, struct parts *parts) {
    struct header *header = &parts->header;
    if (bytes < bytes_of(0, 0, 0)) {
        return IMAGE_MALFORMED;
    }
    memcpy(header, image, sizeof *header);
    if (header->magic != MAGIC || bytes != bytes_of(header->pages, header->chunks, header->words) ||
        header->extent > arena_room(images->arena)) {
        return IMAGE_MALFORMED;
    }
    parts->maps = image + sizeof *header;
    parts->numbers = parts->maps + (size_t)header->pages * sizeof(uint64_t);
    parts->masks = parts->numbers + (size_t)header->pages * sizeof(uint32_t);
    parts->seal = image + bytes - sizeof(uint64_t);
    parts->values = parts->seal - (size_t)header->words * sizeof(uint32_t);
    uint64_t seal;
    memcpy(&seal, parts->seal, sizeof seal);
    if (seal != seal_of(images, context, image, bytes - sizeof seal)) {
        return IMAGE_BROKEN_SEAL;
    }
    if (header->ground != ground) {
        return IMAGE_OTHER_GROUND;
    }
    return is_sound(parts) ? IMAGE_DONE : IMAGE_MALFORMED;
}

/* Write an image's words to where they are of; `memory` has all the pages of its extent. */
static void apply(const struct parts *parts, uint8_t *memory) {
    const uint8_t *value = parts->values;
    uint32_t chunk = 0;
    for (uint32_t page = 0; page < parts->header.pages; page++) {
        uint8_t *begin = memory + (size_t)number_at(parts, page) * PAGE;
        for (uint64_t map = map_at(parts, page); map != 0; map &= map - 1) {
            uint8_t *at = begin + (size_t)__builtin_ctzll(map) * CHUNK;
            for (uint32_t mask = mask_at(parts, chunk++); mask != 0; mask &= mask - 1) {
                memcpy(at + (unsigned)__builtin_ctz(mask) * sizeof(uint32_t), value, sizeof(uint32_t));
                value += sizeof(uint32_t);
            }
        }
    }
}

static bool applied_to_arena(struct images *images, const struct parts *parts) {
    arena_touch(images->arena, whole_pages(parts->header.extent) * PAGE);
    apply(parts, arena_heap(images->arena));
    return arena_extent(images->arena) == parts->header.extent;
}

enum image_result images_put(struct images *images, const uint8_t *image, size_t bytes, struct image_context context) {
    set_back(images);
    struct parts parts;
    enum image_result result = read_parts(images, image, bytes, context, images->ground_seal, &parts);
    if (result != IMAGE_DONE) {
        return result;
    }
    images->clean = false;
    if (!applied_to_arena(images, &parts)) {
        set_back(images);
        return IMAGE_MALFORMED;
    }
    return IMAGE_DONE;
}

/* ---- the ground ---- */

void images_use_base(struct images *images) {
    set_back(images);
    struct difference *laid = &images->laid;
    uint8_t *heap = arena_heap(images->arena);
    for (uint32_t page = 0; page < laid->pages; page++) {
        size_t at = (size_t)laid->numbers[page] * PAGE;
        const uint8_t *base = at < images->base_extent ? images->base + at : zeros;
        copy_chunks(images->ground + at, base, laid->maps[page]);
        copy_chunks(heap + at, base, laid->maps[page]);
    }
    clear_difference(laid);
    images->ground_extent = images->base_extent;
    images->ground_seal = NO_GROUND;
}

static bool room_for_ground(struct images *images, size_t extent) {
    size_t room = whole_pages(extent) * PAGE;
    if (room <= images->ground_room) {
        return true;
    }
    uint8_t *larger = aligned_alloc(PAGE, room);
    if (larger == NULL) {
        return false;
    }
    memcpy(larger, images->ground, images->ground_room);
    memset(larger + images->ground_room, 0, room - images->ground_room);
    free(images->ground);
    images->ground = larger;
    images->ground_room = room;
    return true;
}

static bool note_laid(struct images *images, const struct parts *parts) {
    struct difference *laid = &images->laid;
    for (uint32_t page = 0; page < parts->header.pages; page++) {
        if (!room_for_page(laid)) {
            return false;
        }
        laid->maps[laid->pages] = map_at(parts, page);
        laid->numbers[laid->pages++] = number_at(parts, page);
    }
    return true;
}

static enum image_result lay(struct images *images, const uint8_t *image, size_t bytes, struct image_context context) {
    struct parts parts;
    enum image_result result = read_parts(images, image, bytes, context, images->ground_seal, &parts);
    if (result != IMAGE_DONE) {
        return result;
    }
    size_t extent = parts.header.extent > images->ground_extent ? parts.header.extent : images->ground_extent;
    if (!room_for_ground(images, extent) || !note_laid(images, &parts)) {
        return IMAGE_NO_MEMORY;
    }
    apply(&parts, images->ground);
    images->ground_extent = extent;
    memset(images->ground + extent, 0, whole_pages(extent) * PAGE - extent);
    memcpy(&images->ground_seal, parts.seal, sizeof images->ground_seal);
    if (!applied_to_arena(images, &parts)) {
        return IMAGE_MALFORMED;
    }
    arena_clear_beyond(images->arena, extent);
    return IMAGE_DONE;
}

enum image_result images_lay(struct images *images, const uint8_t *image, size_t bytes, struct image_context context) {
    set_back(images);
    enum image_result result = lay(images, image, bytes, context);
    if (result != IMAGE_DONE) {
        images_use_base(images);
    }
    return result;
}

size_t images_base_extent(const struct images *images) {
    return images->base_extent;
}

size_t images_ground_extent(const struct images *images) {
    return images->ground_extent;
}
