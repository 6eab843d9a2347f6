#include "ground.h"

#include <stdlib.h>

static const uint8_t zeros[PAGE] __attribute__((aligned(CHUNK)));

/* ---- layers ---- */

struct layer *layer_new(const struct ground *ground, uint32_t pages, uint32_t chunks) {
    struct layer *layer = calloc(1, sizeof *layer);
    if (layer == NULL) {
        return NULL;
    }
    layer->references = 1;
    layer->base = ground->number;
    layer->below = ground->layer;
    if (layer->below != NULL) {
        layer->below->references++;
    }
    layer->page_count = pages;
    layer->chunk_count = chunks;
    /* One more, since none is no size for either. */
    layer->pages = malloc(((size_t)pages + 1) * sizeof *layer->pages);
    layer->chunks = aligned_alloc(CHUNK, ((size_t)chunks + 1) * CHUNK);
    if (layer->pages == NULL || layer->chunks == NULL) {
        layer_release(layer);
        return NULL;
    }
    return layer;
}

void layer_release(struct layer *layer) {
    while (layer != NULL && --layer->references == 0) {
        struct layer *below = layer->below;
        free(layer->pages);
        free(layer->chunks);
        free(layer);
        layer = below;
    }
}

size_t layer_bytes(const struct layer *layer) {
    return sizeof *layer + (size_t)layer->page_count * sizeof *layer->pages + (size_t)layer->chunk_count * CHUNK;
}

static void lay(const struct layer *layer, uint8_t *memory) {
    const uint8_t *chunk = layer->chunks;
    for (uint32_t page = 0; page < layer->page_count; page++) {
        uint8_t *begin = memory + (size_t)layer->pages[page].number * PAGE;
        for (uint64_t map = layer->pages[page].map; map != 0; map &= map - 1) {
            memcpy(begin + first_chunk(map), chunk, CHUNK);
            chunk += CHUNK;
        }
    }
}

/* Make of memory with a layer what it was without it. */
static void take_off(const struct layer *layer, uint8_t *memory, const uint8_t *without, size_t without_bytes) {
    for (uint32_t page = 0; page < layer->page_count; page++) {
        size_t at = (size_t)layer->pages[page].number * PAGE;
        copy_chunks(memory + at, at < without_bytes ? without + at : zeros, layer->pages[page].map);
    }
}

/* ---- the ground ---- */

bool ground_open(struct ground *ground, struct arena *arena) {
    static uint64_t opened;
    size_t extent = arena_extent(arena);
    size_t room = whole_pages(extent) * PAGE;
    *ground = (struct ground){
        .arena = arena,
        .number = ++opened,
        .base = aligned_alloc(PAGE, room),
        .floor = aligned_alloc(PAGE, room),
        .bytes = aligned_alloc(PAGE, room),
        .room = room,
        .base_extent = extent,
        .extent = extent,
    };
    if (ground->base == NULL || ground->floor == NULL || ground->bytes == NULL) {
        ground_close(ground);
        return false;
    }
    write_barrier_open(&ground->barrier, arena_heap(arena));
    if (!write_barrier_make_room(&ground->barrier, whole_pages(extent))) {
        ground_close(ground);
        return false;
    }
    arena_clear_beyond(arena, extent);
    memcpy(ground->base, arena_heap(arena), room);
    memcpy(ground->floor, ground->base, room);
    memcpy(ground->bytes, ground->base, room);
    return true;
}

void ground_close(struct ground *ground) {
    layer_release(ground->layer);
    write_barrier_close(&ground->barrier);
    free(ground->base);
    free(ground->floor);
    free(ground->bytes);
    *ground = (struct ground){0};
}

const uint8_t *ground_page(const struct ground *ground, size_t number) {
    return number * PAGE < ground->extent ? ground->bytes + number * PAGE : zeros;
}

static uint8_t *larger(const uint8_t *memory, size_t bytes, size_t room) {
    uint8_t *moved = aligned_alloc(PAGE, room);
    if (moved != NULL) {
        memcpy(moved, memory, bytes);
        memset(moved + bytes, 0, room - bytes);
    }
    return moved;
}

static bool make_room(struct ground *ground, size_t extent) {
    size_t room = whole_pages(extent) * PAGE;
    if (room <= ground->room) {
        return true;
    }
    if (!write_barrier_make_room(&ground->barrier, room / PAGE)) {
        return false;
    }
    uint8_t *floor = larger(ground->floor, ground->room, room);
    uint8_t *bytes = larger(ground->bytes, ground->room, room);
    if (floor == NULL || bytes == NULL) {
        free(floor);
        free(bytes);
        return false;
    }
    free(ground->floor);
    free(ground->bytes);
    ground->floor = floor;
    ground->bytes = bytes;
    ground->room = room;
    return true;
}

/* What is in the pages of a layer is to be compared: the ground has changed there. */
static void expect(struct ground *ground, const struct layer *layer) {
    for (uint32_t page = 0; layer != NULL && page < layer->page_count; page++) {
        write_barrier_expect(&ground->barrier, layer->pages[page].number);
    }
}

static void change_floor(struct ground *ground, const struct layer *from, const struct layer *to) {
    size_t base_bytes = whole_pages(ground->base_extent) * PAGE;
    if (from != NULL) {
        take_off(from, ground->floor, ground->base, base_bytes);
        take_off(from, ground->bytes, ground->base, base_bytes);
    }
    if (to != NULL) {
        lay(to, ground->floor);
        lay(to, ground->bytes);
    }
    expect(ground, from);
    expect(ground, to);
}

bool ground_use(struct ground *ground, struct layer *layer) {
    struct layer *before = ground->layer;
    if (layer == before) {
        return true;
    }
    size_t extent = layer == NULL ? ground->base_extent : layer->extent;
    if (!make_room(ground, extent)) {
        return false;
    }
    struct layer *below_before = NULL;
    if (before != NULL) {
        below_before = before->below;
        take_off(before, ground->bytes, ground->floor, ground->room);
    }
    struct layer *below = layer == NULL ? NULL : layer->below;
    if (below != below_before) {
        change_floor(ground, below_before, below);
    }
    if (layer != NULL) {
        lay(layer, ground->bytes);
        layer->references++;
    }
    expect(ground, before);
    expect(ground, layer);
    ground->layer = layer;
    ground->extent = extent;
    ground->clean = false;
    layer_release(before);
    return true;
}

void ground_set_back(struct ground *ground) {
    if (ground->clean) {
        return;
    }
    uint8_t *heap = arena_heap(ground->arena);
    size_t pages = whole_pages(ground->extent);
    struct write_barrier *barrier = &ground->barrier;
    for (size_t page = 0; (page = write_barrier_next(barrier, page, pages)) < pages; page++) {
        size_t at = page * PAGE;
        uint64_t map = pages_differ(heap + at, ground->bytes + at);
        if (map != 0) {
            copy_chunks(heap + at, ground->bytes + at, map);
            write_barrier_found(barrier, page);
        }
    }
    ground_is_back(ground);
}

void ground_is_back(struct ground *ground) {
    /* Of a ground that the arena has not been set to yet. */
    arena_touch(ground->arena, ground->extent);
    arena_clear_beyond(ground->arena, ground->extent);
    write_barrier_rest(&ground->barrier, whole_pages(ground->extent));
    ground->clean = true;
}
