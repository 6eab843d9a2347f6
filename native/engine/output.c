#include "output.h"

#include <stdlib.h>

#define LEAST_CAPACITY 4096

uint8_t *output_room(struct output *output, size_t bytes) {
    size_t needed;
    if (__builtin_add_overflow(output->length, bytes, &needed) ||
        __builtin_add_overflow(needed, OUTPUT_MARGIN, &needed)) {
        return NULL;
    }
    if (needed > output->capacity) {
        size_t capacity = needed < LEAST_CAPACITY ? LEAST_CAPACITY : needed + needed / 2;
        uint8_t *grown = realloc(output->bytes, capacity);
        if (grown == NULL) {
            return NULL;
        }
        output->bytes = grown;
        output->capacity = capacity;
    }
    return output->bytes + output->length;
}

void output_clear(struct output *output) {
    free(output->bytes);
    *output = (struct output){0};
}
