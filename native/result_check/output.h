/* Bytes that are written one after the other, and grow. */
#ifndef RESULT_CHECK_OUTPUT_H
#define RESULT_CHECK_OUTPUT_H

#include "plain.h"

struct output {
    uint8_t *bytes; /* freed by `end_output` */
    size_t length;
    size_t room;
    bool out_of_memory; /* what was to be written since is lost */
};

void begin_output(struct output *output);
void end_output(struct output *output);

void write_bytes(struct output *output, const void *bytes, size_t length);
void write_text(struct output *output, struct text text);
void write_array_head(struct output *output, uint32_t length);
void write_map_head(struct output *output, uint32_t length);

#endif
