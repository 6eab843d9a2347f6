/* What the arena is set back to before each run: the base, which is the engine with our own JavaScript in it, and the
 * layers that have been laid on it, first what programs of one kind share, then a program.
 *
 * A layer is what differs once something more is loaded, as whole chunks, so that going from one program to another
 * touches only what either of them is. The arena follows when it is set back, which compares with the ground all of it that may
 * have been written, or that is of another ground. */
#ifndef ENGINE_GROUND_H
#define ENGINE_GROUND_H

#include "arena.h"
#include "pages.h"
#include "write_barrier.h"

/* Which chunks of a page, by its number in the heap. */
struct page_chunks {
    uint64_t map;
    uint32_t number;
};

struct layer {
    unsigned references;
    struct layer *below; /* what it was taken from, and lies on; NULL for the base */
    uint64_t base;       /* the number of the base that it is of */
    size_t extent;       /* the heap's, with it */
    uint64_t seal;       /* that of the image that it was made from */
    uint32_t page_count, chunk_count;
    struct page_chunks *pages;
    uint8_t *chunks; /* of all pages, in their order */
};

struct ground {
    struct arena *arena;
    uint64_t number; /* of the base, in this process and those forked from it */
    uint8_t *base;   /* whole pages, as the others, with zeros beyond the extent */
    uint8_t *floor;  /* the base and what is below the layer in place */
    uint8_t *bytes;  /* the ground itself: the floor and that layer */
    size_t room;     /* of floor and ground */
    size_t base_extent;
    size_t extent; /* of the largest, the base or what is laid on it */
    struct layer *layer;
    struct write_barrier barrier;
    bool clean; /* the arena is as the ground */
};

/* The base is the arena as it is now. False where there is no memory. */
bool ground_open(struct ground *ground, struct arena *arena);
void ground_close(struct ground *ground);

/* Make a layer of this very base the ground, or the base where it is NULL. False where there is no memory: the ground is
 * as before. */
bool ground_use(struct ground *ground, struct layer *layer);

/* The seal of what is in place; that of the base, which has none, is 0. */
static inline uint64_t ground_seal(const struct ground *ground) {
    return ground->layer == NULL ? 0 : ground->layer->seal;
}

/* Set the arena back to the ground. */
void ground_set_back(struct ground *ground);

/* Say that all pages of the arena that the ground has are as it is. */
void ground_is_back(struct ground *ground);

/* The page of this number, zeros where it is beyond. */
const uint8_t *ground_page(const struct ground *ground, size_t number);

/* A layer with room for so much, which lies on what is in place; NULL where there is no memory. It is the caller's, who
 * fills in pages and chunks. */
struct layer *layer_new(const struct ground *ground, uint32_t pages, uint32_t chunks);
void layer_release(struct layer *layer);
size_t layer_bytes(const struct layer *layer);

#endif
