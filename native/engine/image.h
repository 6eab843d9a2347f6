/* A run that waits, as what differs in the arena from what it began from: an image is that difference as bytes, word by word
 * of 32 bits. A run begins from the ground (ground.h) whatever the one before it did.
 *
 * An image holds addresses of the engine's library and of the arena. It is of use in the process that made it and in
 * those forked from the same parent, which know it by the key of its seal. The seal also takes in a context, which says
 * whose the image is: under another it is refused. It protects from mistakes, ours and the machine's. It does not
 * protect from whoever has broken out of the engine and knows the key: what such a one hands back is bounded here, so
 * that nothing outside the arena is ever written, and what is in it has to be distrusted as the whole worker has. */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "ground.h"
#include "seal.h"

struct images;

enum image_result {
    IMAGE_DONE,
    IMAGE_NO_MEMORY,    /* the process has none left */
    IMAGE_TOO_LARGE,    /* it would be larger than the caller takes */
    IMAGE_MALFORMED,    /* no image, or of another form */
    IMAGE_OTHER_GROUND, /* it is what differs from something else than what is in place */
    IMAGE_BROKEN_SEAL,  /* not made under this key and context, or damaged */
};

/* Bytes that say whose an image is; none where `bytes` is 0. */
struct image_context {
    const uint8_t *data;
    size_t bytes;
};

/* The base is the arena as it is now. NULL where there is no memory. */
struct images *images_new(struct arena *arena, const uint8_t key[SEAL_KEY_BYTES]);
void images_delete(struct images *images);

/* Have runs begin from a layer, or from the base where it is NULL. IMAGE_OTHER_GROUND for one of another base,
 * IMAGE_NO_MEMORY: then all is as before. */
enum image_result images_use(struct images *images, struct layer *layer);

/* Set the arena back to the ground, for a run to begin. */
void images_begin(struct images *images);

/* Say that the arena may be written from here on: it is not as the ground, also where it has just been set back. */
void images_touch(struct images *images);

/* Set the arena to an image on the ground, for a run to go on. After a failure the arena is as the ground. */
enum image_result images_put(struct images *images, const uint8_t *image, size_t bytes, struct image_context context);

/* Take what differs from the ground, of at most `most` bytes as an image; the arena is as the ground afterwards, also
 * after a failure. `bytes` is the size of the image, which images_write writes until the next one is taken. Takes time
 * in proportion to what of the heap may have been written (write_barrier.h), some 30 us a megabyte. */
enum image_result images_take(struct images *images, size_t most, size_t *bytes);
size_t images_taken_bytes(const struct images *images);
void images_write(const struct images *images, struct image_context context, uint8_t *image);

/* Take what differs from the ground as a layer on what is in place, which the caller releases; the arena is as the ground
 * afterwards, also after a failure. IMAGE_OTHER_GROUND where what is in place lies on another layer itself. */
enum image_result images_take_layer(struct images *images, struct image_context context, struct layer **layer);

/* The heap's extent in the base. */
size_t images_base_extent(const struct images *images);

/* How many pages of the heap are known to be as the ground: they are neither compared nor written. */
size_t images_pages_closed(const struct images *images);

#endif
