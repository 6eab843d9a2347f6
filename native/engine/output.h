/* Bytes on their way out of an engine, in the process's memory and not in the engine's. */
#ifndef ENGINE_OUTPUT_H
#define ENGINE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct output {
    uint8_t *bytes;
    size_t length;
    size_t capacity;
};

/* There are at least so many bytes behind the room that was asked for: a copy of constant length may end in them. */
#define OUTPUT_MARGIN 64

/* The place to write `bytes` more at, which `length` has yet to be told of; NULL where the process has no memory. */
uint8_t *output_room(struct output *output, size_t bytes);

/* Lets go of what is in it and of its memory: a worker has many engines, of which one has something to say. */
void output_clear(struct output *output);

#endif
