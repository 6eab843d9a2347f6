/* Images of an arena, driven by bytes. The first half of them fills, frees and writes blocks in a base, in layers on it and
 * on each other, and in three runs of the last of these, which wait and go on in turns: each comes back as it was, beside
 * a copy of all that its blocks hold, and what runs begin from is each time the same to the last byte of the arena.
 * The second half changes bytes of an image, which is sealed anew as one could who has broken out of the engine: it is
 * taken or refused, nothing outside the heap is written, and afterwards the runs are as before. */

#include "engine/image.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 24, KINDS = 2, PROGRAMS = 3, LAYERS = KINDS + PROGRAMS, RUNS = 3, ROOM = 1 << 18, HEADER_BYTES = 32 };

static const uint8_t key[SEAL_KEY_BYTES] = "a key of sixteen";
static const struct image_context context = {(const uint8_t *)"run", 3};

/* What a state's blocks should hold. */
struct state {
    uint8_t *payload[SLOTS];
    size_t size[SLOTS];
    uint8_t mark[SLOTS];
    uint8_t *image;
    size_t bytes;
};

static void require(int holds) {
    if (!holds) {
        abort();
    }
}

static void step(struct arena *arena, struct state *state, const uint8_t *data) {
    unsigned slot = data[0] % SLOTS;
    size_t size = data[1] < 200 ? data[1] : (size_t)(data[1] - 199) * 400;
    if (state->payload[slot] != NULL && data[2] % 4 == 0) {
        arena_free(arena, state->payload[slot]);
        state->payload[slot] = NULL;
        return;
    }
    uint8_t *payload = arena_realloc(arena, state->payload[slot], size + 1);
    if (payload != NULL) {
        state->payload[slot] = payload;
        state->size[slot] = size + 1;
        state->mark[slot] = data[2];
        memset(payload, data[2], size + 1);
    }
}

static void check(const struct state *state) {
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        for (size_t at = 0; state->payload[slot] != NULL && at < state->size[slot]; at++) {
            require(state->payload[slot][at] == state->mark[slot]);
        }
    }
}

/* A layer, what its blocks should hold, and the arena as it is when a run begins from it. */
struct laid {
    struct layer *layer;
    struct state state;
    uint8_t *heap;
};

static void begin(struct images *images, struct arena *arena, struct laid *laid) {
    require(images_use(images, laid->layer) == IMAGE_DONE);
    images_begin(images);
    check(&laid->state);
    if (laid->heap == NULL) {
        laid->heap = malloc(ROOM);
        require(laid->heap != NULL);
        memcpy(laid->heap, arena_heap(arena), ROOM);
    }
    require(memcmp(laid->heap, arena_heap(arena), ROOM) == 0);
}

static void take(struct images *images, struct state *state) {
    require(images_take(images, SIZE_MAX, &state->bytes) == IMAGE_DONE);
    free(state->image);
    state->image = malloc(state->bytes);
    require(state->image != NULL);
    images_write(images, context, state->image);
}

static void seal_anew(uint8_t *image, size_t bytes) {
    struct seal seal;
    uint64_t length = context.bytes;
    seal_begin(&seal, key);
    seal_add(&seal, &length, sizeof length);
    seal_add(&seal, context.data, context.bytes);
    seal_add(&seal, image, bytes - sizeof(uint64_t));
    uint64_t sum = seal_end(&seal);
    memcpy(image + bytes - sizeof sum, &sum, sizeof sum);
}

static void put_changed(struct images *images, const struct state *run, const uint8_t *data, size_t bytes) {
    size_t size = run->bytes;
    uint8_t *image = malloc(size);
    require(image != NULL);
    memcpy(image, run->image, size);
    for (size_t at = 0; at + 3 <= bytes; at += 3) {
        size_t place = (size_t)(data[at] << 8 | data[at + 1]) % size;
        image[place % 3 == 0 ? place % (HEADER_BYTES + 64) % size : place] ^= data[at + 2];
        if (data[at + 2] == 0 && size > sizeof(uint64_t)) {
            size -= place % 16 < size - sizeof(uint64_t) ? place % 16 : 0;
        }
    }
    if (bytes > 0 && data[0] % 4 != 0) {
        seal_anew(image, size);
    }
    /* From a block of its exact size, so that a read behind it is seen. */
    uint8_t *exact = malloc(size);
    require(exact != NULL);
    memcpy(exact, image, size);
    (void)images_put(images, exact, size, context);
    free(exact);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct arena *arena = arena_new(ROOM);
    require(arena != NULL);
    struct laid base = {0}, layers[LAYERS] = {{0}};
    struct state runs[RUNS];
    size_t at = 0, half = bytes / 2;
    for (; at + 3 <= half / 4; at += 3) {
        step(arena, &base.state, data + at);
    }
    struct images *images = images_new(arena, key);
    require(images != NULL);
    for (unsigned index = 0; index < LAYERS; index++) {
        struct laid *below = index < KINDS ? &base : &layers[index % KINDS];
        begin(images, arena, below);
        layers[index].state = below->state;
        for (size_t end = half / 4 + (index + 1) * (half / 4) / LAYERS; at + 3 <= end; at += 3) {
            step(arena, &layers[index].state, data + at);
        }
        require(images_take_layer(images, context, &layers[index].layer) == IMAGE_DONE);
        begin(images, arena, &layers[index]);
    }
    struct layer *none;
    require(images_take_layer(images, context, &none) == IMAGE_OTHER_GROUND);
    struct laid *program = &layers[LAYERS - 1];
    for (unsigned run = 0; run < RUNS; run++) {
        begin(images, arena, program);
        runs[run] = program->state;
        take(images, &runs[run]);
    }
    for (; at + 3 <= half; at += 3) {
        struct state *run = &runs[data[at] / SLOTS % RUNS];
        if (data[at + 1] % 5 == 0) {
            /* One that does not wait, of any program, in between: nothing of it stays. */
            struct laid *other = data[at + 1] % 3 == 0 ? &base : &layers[data[at + 2] % LAYERS];
            struct state state = other->state;
            begin(images, arena, other);
            step(arena, &state, data + at);
            memset(arena_heap(arena) + arena_extent(arena) - 16, 0xee, 8);
            begin(images, arena, other);
        }
        require(images_use(images, program->layer) == IMAGE_DONE);
        require(images_put(images, run->image, run->bytes, context) == IMAGE_DONE);
        check(run);
        step(arena, run, data + at);
        check(run);
        take(images, run);
    }
    if (half < bytes) {
        put_changed(images, &runs[0], data + half, bytes - half);
    }
    for (unsigned index = 0; index < LAYERS; index++) {
        begin(images, arena, &layers[index]);
    }
    for (unsigned run = 0; run < RUNS; run++) {
        require(images_put(images, runs[run].image, runs[run].bytes, context) == IMAGE_DONE);
        check(&runs[run]);
        struct image_context other = {(const uint8_t *)"nur", 3};
        require(images_put(images, runs[run].image, runs[run].bytes, other) == IMAGE_BROKEN_SEAL);
        free(runs[run].image);
    }
    begin(images, arena, &base);
    free(base.heap);
    for (unsigned index = 0; index < LAYERS; index++) {
        layer_release(layers[index].layer);
        free(layers[index].heap);
    }
    images_delete(images);
    arena_delete(arena);
    return 0;
}
