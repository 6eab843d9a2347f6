/* Images of an arena, driven by bytes. The first half of them fills, frees and writes blocks in a base, in layers on it and
 * on each other, and in three runs of the last of these, which wait and go on in turns: each comes back as it was, beside
 * a copy of all that its blocks hold, and what runs begin from is each time the same to the last byte of the arena.
 * The second half changes bytes of an image or makes one, and seals it as one could who has broken out of the engine: it
 * is taken or refused, nothing outside the heap is written, and afterwards layers and runs are as before. */

#include "engine/image.h"

#include <stdlib.h>
#include <string.h>

enum {
    SLOTS = 24,
    KINDS = 2,
    PROGRAMS = 3,
    LAYERS = KINDS + PROGRAMS,
    RUNS = 3,
    ROOM = 1 << 16,
    /* Of one arena in 64, whose blocks are larger: as much as goes back to the system at once, and more. */
    LARGE_ROOM = 1 << 21,
    MADE_PAGES = 12,
    CHUNK_WORDS = CHUNK / 4,
};

/* What an image begins with. */
struct header {
    uint32_t magic, pages, chunks, words;
    uint64_t extent, ground;
};

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
    size_t size = data[1] < 200 ? data[1] : (size_t)(data[1] - 199) * (arena_room(arena) / 640);
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
        const uint8_t *payload = state->payload[slot];
        if (payload != NULL) {
            require(payload[0] == state->mark[slot] && memcmp(payload, payload + 1, state->size[slot] - 1) == 0);
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
    size_t room = arena_room(arena);
    if (laid->heap == NULL) {
        laid->heap = malloc(room);
        require(laid->heap != NULL);
        memcpy(laid->heap, arena_heap(arena), room);
    }
    require(memcmp(laid->heap, arena_heap(arena), room) == 0);
}

static void keep(struct images *images, struct state *state) {
    free(state->image);
    state->image = malloc(state->bytes);
    require(state->image != NULL);
    images_write(images, context, state->image);
}

static void take(struct images *images, struct state *state) {
    require(images_take(images, SIZE_MAX, &state->bytes) == IMAGE_DONE);
    keep(images, state);
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

/* What is left of the bytes; zeros behind their end. */
struct bytes {
    const uint8_t *at, *end;
};

static uint64_t next(struct bytes *bytes, unsigned count) {
    uint64_t number = 0;
    for (; count > 0; count--) {
        number = number << 8 | (bytes->at < bytes->end ? *bytes->at++ : 0);
    }
    return number;
}

static void *appended(void *at, const void *what, size_t bytes) {
    memcpy(at, what, bytes);
    return (uint8_t *)at + bytes;
}

/* An image whose maps name as many chunks and words as it has, but where the bytes say otherwise; to be freed. Its words
 * are whatever they are, the heap's own among them. `like` is one of the same ground. */
static uint8_t *make(const struct arena *arena, struct bytes *bytes, const struct state *like, size_t *size) {
    struct header header;
    memcpy(&header, like->image, sizeof header);
    uint64_t maps[MADE_PAGES] = {0};
    uint32_t numbers[MADE_PAGES];
    static uint16_t masks[MADE_PAGES * PAGE_CHUNKS + 1];
    static uint32_t values[MADE_PAGES * PAGE_CHUNKS * CHUNK_WORDS];
    uint64_t distortion = next(bytes, 1) % 16;
    /* Where the heap ends is its second word of 64 bits: an extent that fits it is taken, whatever it is. */
    bool ends_elsewhere = distortion > 12;
    header.pages = next(bytes, 1) % (MADE_PAGES + 1);
    header.chunks = header.words = 0;
    uint32_t number = 0;
    for (uint32_t page = 0; page < header.pages; page++) {
        uint64_t place = next(bytes, 1);
        bool is_first = page == 0 && ends_elsewhere;
        number += is_first ? 0 : (uint32_t)place % 4 + (page > 0);
        numbers[page] = number;
        maps[page] = (place < 128 ? (uint64_t)1 << next(bytes, 1) % PAGE_CHUNKS : next(bytes, 8)) | is_first;
        for (uint64_t map = maps[page]; map != 0; map &= map - 1) {
            uint16_t mask = (uint16_t)(next(bytes, 2) | (is_first && map == maps[page] ? 0xc : 0));
            masks[header.chunks++] = mask;
            for (; mask != 0; mask &= (uint16_t)(mask - 1)) {
                values[header.words++] = (uint32_t)next(bytes, 4);
            }
        }
    }
    masks[header.chunks] = 0;
    if (ends_elsewhere && header.pages > 0) {
        header.extent = next(bytes, 3) % (arena_room(arena) + 1);
        uint64_t last = (uint64_t)(uintptr_t)arena_heap(arena) + header.extent - sizeof(uint64_t);
        memcpy(values + __builtin_popcount(masks[0] & 3), &last, sizeof last);
    }
    switch (distortion) {
    case 0:
        header.ground ^= 1;
        break;
    case 1:
        header.chunks -= header.chunks > 0;
        break;
    case 2:
        header.words -= header.words > 0;
        break;
    case 3:
        numbers[header.pages / 2] = (uint32_t)next(bytes, 4);
        break;
    case 4:
        header.extent = next(bytes, 4);
        break;
    case 5:
        header.extent = next(bytes, 8);
        break;
    default:
        break;
    }
    size_t filled = header.chunks + header.chunks % 2;
    *size = sizeof header + header.pages * (sizeof *maps + sizeof *numbers) + filled * sizeof *masks +
            header.words * sizeof *values + sizeof(uint64_t);
    uint8_t *image = malloc(*size);
    require(image != NULL);
    void *at = appended(image, &header, sizeof header);
    at = appended(at, maps, header.pages * sizeof *maps);
    at = appended(at, numbers, header.pages * sizeof *numbers);
    at = appended(at, masks, filled * sizeof *masks);
    appended(at, values, header.words * sizeof *values);
    seal_anew(image, *size);
    return image;
}

/* A copy of an image with some of its bytes changed, sealed anew or not; to be freed. */
static uint8_t *change(const struct bytes *bytes, const struct state *run, size_t *size) {
    size_t first = sizeof(struct header) + 64, left = run->bytes;
    uint8_t *image = malloc(left);
    require(image != NULL);
    memcpy(image, run->image, left);
    const uint8_t *at = bytes->at;
    for (; bytes->end - at >= 3; at += 3) {
        size_t place = (size_t)(at[0] << 8 | at[1]) % left;
        image[place % 3 == 0 ? place % first % left : place] ^= at[2];
        if (at[2] == 0 && left > sizeof(uint64_t)) {
            left -= place % 16 < left - sizeof(uint64_t) ? place % 16 : 0;
        }
    }
    if (bytes->at < bytes->end && *bytes->at % 4 != 0) {
        seal_anew(image, left);
    }
    *size = left;
    return image;
}

/* Take what is no image of ours for one: to go on from, and to begin from what it becomes as a layer. */
static void try(struct images *images, struct layer *ground, const uint8_t *image, size_t bytes) {
    /* From a block of its exact size, so that a read behind it is seen. */
    uint8_t *exact = malloc(bytes);
    size_t taken;
    struct layer *layer;
    require(exact != NULL);
    memcpy(exact, image, bytes);
    if (images_put(images, exact, bytes, context) == IMAGE_DONE) {
        /* What a heap is that nobody allocated in. */
        (void)images_take(images, bytes, &taken);
    }
    if (images_put(images, exact, bytes, context) == IMAGE_DONE &&
        images_take_layer(images, context, &layer) == IMAGE_DONE) {
        require(images_use(images, layer) == IMAGE_DONE);
        layer_release(layer);
        images_begin(images);
        (void)images_take(images, SIZE_MAX, &taken);
        require(images_use(images, ground) == IMAGE_DONE);
    }
    free(exact);
}

static void try_others(struct images *images, struct arena *arena, struct laid *laid, const struct state *run,
                       struct bytes *bytes) {
    size_t size;
    uint8_t *image;
    if (next(bytes, 1) % 4 == 0) {
        image = change(bytes, run, &size);
    } else {
        struct state like = {0};
        laid = &laid[next(bytes, 1) % (LAYERS + 1)];
        begin(images, arena, laid);
        take(images, &like);
        image = make(arena, bytes, &like, &size);
        free(like.image);
    }
    try(images, laid->layer, image, size);
    free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    struct arena *arena = arena_new(bytes > 0 && data[0] % 64 == 63 ? LARGE_ROOM : ROOM);
    require(arena != NULL);
    /* The base, kinds, programs of each kind in turn. */
    struct laid laid[1 + LAYERS] = {{0}}, *base = laid, *layers = laid + 1;
    struct state runs[RUNS];
    size_t at = 0, half = bytes / 2;
    for (; at + 3 <= half / 4; at += 3) {
        step(arena, &base->state, data + at);
    }
    struct images *images = images_new(arena, key);
    require(images != NULL);
    for (unsigned index = 0; index < LAYERS; index++) {
        struct laid *below = index < KINDS ? base : &layers[index % KINDS];
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
            struct laid *other = &laid[data[at + 2] % (LAYERS + 1)];
            struct state state = other->state;
            begin(images, arena, other);
            step(arena, &state, data + at);
            memset(arena_heap(arena) + arena_extent(arena) - 16, 0xee, 8);
            if (data[at + 1] % 2 == 0) {
                /* What is left of it, taken as if it were another program's; and more is written, though it was taken. */
                struct laid *third = &laid[data[at + 1] / 2 % (LAYERS + 1)];
                size_t taken;
                require(images_use(images, third->layer) == IMAGE_DONE);
                require(images_take(images, SIZE_MAX, &taken) == IMAGE_DONE);
                images_touch(images);
                state = third->state;
                check(&state);
                step(arena, &state, data + at);
            }
            begin(images, arena, other);
        }
        require(images_use(images, program->layer) == IMAGE_DONE);
        require(images_put(images, run->image, run->bytes, context) == IMAGE_DONE);
        check(run);
        struct state before = *run;
        step(arena, run, data + at);
        check(run);
        enum image_result result = images_take(images, data[at + 1] % 7 == 0 ? run->bytes : SIZE_MAX, &run->bytes);
        if (result == IMAGE_TOO_LARGE) {
            /* That turn is lost, and the image from before it is as good as it was. */
            *run = before;
            continue;
        }
        require(result == IMAGE_DONE);
        keep(images, run);
    }
    if (half < bytes) {
        struct bytes left = {data + half, data + bytes};
        require(images_use(images, program->layer) == IMAGE_DONE);
        try_others(images, arena, laid, &runs[0], &left);
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
    begin(images, arena, base);
    for (unsigned index = 0; index < LAYERS + 1; index++) {
        layer_release(laid[index].layer);
        free(laid[index].heap);
    }
    images_delete(images);
    arena_delete(arena);
    return 0;
}
