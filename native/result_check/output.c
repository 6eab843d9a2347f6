#include "output.h"

#include <stdlib.h>

#define FIRST_ROOM 4096

void begin_output(struct output *output) {
    *output = (struct output){0};
}

void end_output(struct output *output) {
    free(output->bytes);
    begin_output(output);
}

/* Where so many bytes may be written; NULL where there is no memory for them. */
static uint8_t *make_room(struct output *output, size_t length) {
    if (output->out_of_memory) {
        return NULL;
    }
    if (length > output->room - output->length) {
        size_t room = output->room > 0 ? output->room : FIRST_ROOM;
        while (room - output->length < length && room <= SIZE_MAX / 2) {
            room *= 2;
        }
        uint8_t *bytes = room - output->length < length ? NULL : realloc(output->bytes, room);
        if (bytes == NULL) {
            output->out_of_memory = true;
            return NULL;
        }
        output->bytes = bytes;
        output->room = room;
    }
    return output->bytes + output->length;
}

void write_bytes(struct output *output, const void *bytes, size_t length) {
    uint8_t *at = make_room(output, length);
    if (at != NULL && length > 0) {
        memcpy(at, bytes, length);
        output->length += length;
    }
}

void write_text(struct output *output, struct text text) {
    uint8_t *at = make_room(output, MESSAGEPACK_HEAD_BYTES + (size_t)text.length);
    if (at != NULL) {
        uint8_t *end = messagepack_write_text_head(at, text.length);
        memcpy(end, text.at, text.length);
        output->length += (size_t)(end - at) + text.length;
    }
}

void write_array_head(struct output *output, uint32_t length) {
    uint8_t *at = make_room(output, MESSAGEPACK_HEAD_BYTES);
    if (at != NULL) {
        output->length += (size_t)(messagepack_write_array_head(at, length) - at);
    }
}

void write_map_head(struct output *output, uint32_t length) {
    uint8_t *at = make_room(output, MESSAGEPACK_HEAD_BYTES);
    if (at != NULL) {
        output->length += (size_t)(messagepack_write_map_head(at, length) - at);
    }
}
