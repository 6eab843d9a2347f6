#include "image.h"

#include <stdlib.h>
#include <string.h>

#include "difference.h"

enum { MAGIC = 0x31494653 };

/* An image: this, then of each page that differs the map of its chunks (64 bits), of each its number (32), of each chunk
 * in those maps the mask of its words that differ (16), filled up to 32, these words, and the seal. */
struct header {
    uint32_t magic;
    uint32_t pages;
    uint32_t chunks;
    uint32_t words;
    uint64_t extent;
    uint64_t ground; /* the seal of what this one is on */
};

/* Where the parts of an image begin. */
struct parts {
    struct header header;
    const uint8_t *maps, *numbers, *masks, *values, *seal;
};

struct images {
    struct ground ground;
    uint8_t key[SEAL_KEY_BYTES];
    struct difference taken;
    size_t taken_extent;
};

static size_t bytes_of(uint32_t pages, uint32_t chunks, uint32_t words) {
    size_t masks = ((size_t)chunks * sizeof(uint16_t) + 3) & ~(size_t)3;
    return sizeof(struct header) + (size_t)pages * (sizeof(uint64_t) + sizeof(uint32_t)) + masks +
           (size_t)words * sizeof(uint32_t) + sizeof(uint64_t);
}

/* ---- life ---- */

struct images *images_new(struct arena *arena, const uint8_t key[SEAL_KEY_BYTES]) {
    struct images *images = calloc(1, sizeof *images);
    if (images == NULL || !ground_open(&images->ground, arena)) {
        free(images);
        return NULL;
    }
    memcpy(images->key, key, sizeof images->key);
    return images;
}

void images_delete(struct images *images) {
    if (images == NULL) {
        return;
    }
    ground_close(&images->ground);
    difference_free(&images->taken);
    free(images);
}

size_t images_base_extent(const struct images *images) {
    return images->ground.base_extent;
}

size_t images_pages_closed(const struct images *images) {
    return write_barrier_closed(&images->ground.barrier);
}

enum image_result images_use(struct images *images, struct layer *layer) {
    if (layer != NULL && layer->base != images->ground.number) {
        return IMAGE_OTHER_GROUND;
    }
    return ground_use(&images->ground, layer) ? IMAGE_DONE : IMAGE_NO_MEMORY;
}

void images_begin(struct images *images) {
    ground_set_back(&images->ground);
    images_touch(images);
}

void images_touch(struct images *images) {
    images->ground.clean = false;
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
    struct ground *ground = &images->ground;
    struct difference *taken = &images->taken;
    uint8_t *heap = arena_heap(ground->arena);
    size_t extent = arena_extent(ground->arena);
    if (extent > arena_room(ground->arena)) {
        /* No heap of this allocator's: a layer that was taken where an image had been sealed by another. */
        ground_set_back(ground);
        return IMAGE_MALFORMED;
    }
    size_t compared = extent > ground->extent ? extent : ground->extent;
    memset(heap + extent, 0, whole_pages(extent) * PAGE - extent);
    struct arena_idle idle = arena_idle_of(ground->arena);
    bool any = arena_next_idle(&idle);
    difference_clear(taken);
    enum image_result result = bytes_of(0, 0, 0) > most ? IMAGE_TOO_LARGE : IMAGE_DONE;
    struct write_barrier *barrier = &ground->barrier;
    size_t pages = whole_pages(compared);
    for (size_t number = 0; result == IMAGE_DONE && (number = write_barrier_next(barrier, number, pages)) < pages;
         number++) {
        uint8_t *live = heap + number * PAGE;
        const uint8_t *page = ground_page(ground, number);
        uint64_t map = pages_differ(live, page);
        if (map == 0) {
            continue;
        }
        write_barrier_found(barrier, number);
        uint64_t kept = number * PAGE < extent ? map & ~idle_chunks(&idle, &any, number * PAGE) : 0;
        if (kept != 0 && !difference_add_page(taken, (uint32_t)number, kept, live, page)) {
            result = IMAGE_NO_MEMORY;
        }
        if (bytes_of(taken->pages, taken->chunks, taken->words) > most) {
            result = IMAGE_TOO_LARGE;
        }
        if (number * PAGE < ground->extent) {
            /* The walk over free blocks is past this page. */
            copy_chunks(live, page, map);
        }
    }
    if (result == IMAGE_DONE) {
        ground_is_back(ground);
    } else {
        ground_set_back(ground);
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
        .ground = ground_seal(&images->ground),
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

/* ---- layers ---- */

/* Fill in the chunks of a layer: the words taken, in what they are on. */
static void fill_in(struct layer *layer, const struct difference *taken, const struct ground *ground) {
    uint8_t *chunk = layer->chunks;
    const uint32_t *value = taken->values;
    const uint16_t *masks = taken->masks;
    for (uint32_t page = 0; page < taken->pages; page++) {
        const uint8_t *under = ground_page(ground, taken->numbers[page]);
        layer->pages[page] = (struct page_chunks){.map = taken->maps[page], .number = taken->numbers[page]};
        for (uint64_t map = taken->maps[page]; map != 0; map &= map - 1) {
            memcpy(chunk, under + first_chunk(map), CHUNK);
            for (uint32_t mask = *masks++; mask != 0; mask &= mask - 1) {
                memcpy(chunk + (unsigned)__builtin_ctz(mask) * sizeof *value, value, sizeof *value);
                value++;
            }
            chunk += CHUNK;
        }
    }
}

/* The seal that the image now taken would have, if it were written. False where there is no memory. */
static bool seal_of_taken(const struct images *images, struct image_context context, size_t bytes, uint64_t *seal) {
    uint8_t *image = malloc(bytes);
    if (image == NULL) {
        return false;
    }
    images_write(images, context, image);
    memcpy(seal, image + bytes - sizeof *seal, sizeof *seal);
    free(image);
    return true;
}

enum image_result images_take_layer(struct images *images, struct image_context context, struct layer **layer) {
    const struct ground *ground = &images->ground;
    const struct difference *taken = &images->taken;
    if (ground->layer != NULL && ground->layer->below != NULL) {
        ground_set_back(&images->ground);
        return IMAGE_OTHER_GROUND;
    }
    size_t bytes;
    enum image_result result = images_take(images, SIZE_MAX, &bytes);
    if (result != IMAGE_DONE) {
        return result;
    }
    struct layer *made = layer_new(ground, taken->pages, taken->chunks);
    if (made == NULL || !seal_of_taken(images, context, bytes, &made->seal)) {
        layer_release(made);
        return IMAGE_NO_MEMORY;
    }
    made->extent = images->taken_extent > ground->extent ? images->taken_extent : ground->extent;
    fill_in(made, taken, ground);
    *layer = made;
    return IMAGE_DONE;
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
                                    struct image_context context, struct parts *parts) {
    struct header *header = &parts->header;
    if (bytes < bytes_of(0, 0, 0)) {
        return IMAGE_MALFORMED;
    }
    memcpy(header, image, sizeof *header);
    if (header->magic != MAGIC || bytes != bytes_of(header->pages, header->chunks, header->words) ||
        header->extent > arena_room(images->ground.arena)) {
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
    if (header->ground != ground_seal(&images->ground)) {
        return IMAGE_OTHER_GROUND;
    }
    return is_sound(parts) ? IMAGE_DONE : IMAGE_MALFORMED;
}

/* Write an image's words to where they are of: the arena has all the pages of its extent. */
static void apply(const struct parts *parts, struct ground *ground) {
    uint8_t *memory = arena_heap(ground->arena);
    const uint8_t *value = parts->values;
    uint32_t chunk = 0;
    for (uint32_t page = 0; page < parts->header.pages; page++) {
        uint8_t *begin = memory + (size_t)number_at(parts, page) * PAGE;
        write_barrier_expect(&ground->barrier, number_at(parts, page));
        for (uint64_t map = map_at(parts, page); map != 0; map &= map - 1) {
            uint8_t *at = begin + first_chunk(map);
            for (uint32_t mask = mask_at(parts, chunk++); mask != 0; mask &= mask - 1) {
                memcpy(at + (unsigned)__builtin_ctz(mask) * sizeof(uint32_t), value, sizeof(uint32_t));
                value += sizeof(uint32_t);
            }
        }
    }
}

enum image_result images_put(struct images *images, const uint8_t *image, size_t bytes, struct image_context context) {
    struct ground *ground = &images->ground;
    ground_set_back(ground);
    struct parts parts;
    enum image_result result = read_parts(images, image, bytes, context, &parts);
    if (result != IMAGE_DONE) {
        return result;
    }
    ground->clean = false;
    arena_touch(ground->arena, whole_pages(parts.header.extent) * PAGE);
    apply(&parts, ground);
    if (arena_extent(ground->arena) != parts.header.extent) {
        ground_set_back(ground);
        return IMAGE_MALFORMED;
    }
    return IMAGE_DONE;
}
