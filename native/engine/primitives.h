/* The values of a writer's that hold no others. */
#ifndef ENGINE_PRIMITIVES_H
#define ENGINE_PRIMITIVES_H

#include "writer.h"

/* The place to write so many bytes at, with as much behind it as a head of MessagePack takes; NULL with the reason. */
uint8_t *primitives_room(struct writer *writer, size_t bytes, enum written *why);
void primitives_end_at(struct writer *writer, const uint8_t *at);

enum written primitives_write(struct writer *writer, JSValueConst value);
enum written primitives_write_nil(struct writer *writer);
enum written primitives_write_integer(struct writer *writer, int64_t number);
enum written primitives_write_natural(struct writer *writer, uint64_t number);

/* Writes a text as the engine gives it: UTF-8, but for halves of surrogate pairs. */
enum written primitives_write_bytes(struct writer *writer, const uint8_t *text, size_t length);

/* Throws what JSON.stringify throws for a BigInt. */
enum written primitives_refuse_big_integer(struct writer *writer);

/* The integer that a text of digits is. False where it is none, or none of MessagePack's. */
bool primitives_read_digits(const char *text, size_t length, bool *negative, uint64_t *magnitude);

#endif
