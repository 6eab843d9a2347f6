/* Values of the engine's to MessagePack, as JSON.stringify writes them: toJSON, getters and the traps of proxies are
 * asked and may do anything, within the limits of the run; what is undefined, a function or a symbol is left out of an
 * object and is nil in an array, NaN and infinity are nil. A number past 2^53 is the integer that JavaScript shows as
 * long as MessagePack has it. Half of a surrogate pair, which UTF-8 cannot say, is a question mark. */
#ifndef ENGINE_WRITER_H
#define ENGINE_WRITER_H

#include "keys.h"
#include "output.h"

enum written {
    WRITTEN,
    LEFT_OUT, /* the value is nothing that can be written */
    FAILED,   /* with an exception of the engine's */
    EXCEEDED, /* it is longer than it may be */
};

/* What tells a value of a class, and what it says in place of the author's own methods. */
struct writer_classes {
    uint32_t number, text, boolean, big_integer, raw_json;
    JSValue boolean_value_of;
    JSAtom to_json, raw_json_text;
};

struct writer {
    JSContext *context;
    struct keys *keys;
    const struct writer_classes *classes;
    struct output *output;
    size_t most; /* bytes that the output may come to */
    bool (*interrupted)(void *opaque);
    void *opaque;

    /* Of the writer's own. */
    const struct writer_place *inside;
    unsigned depth;
    unsigned steps;
    uint32_t values; /* written, and what is in them */
    bool lost_value; /* NaN or infinity was written as nil, or a property of an object was left out */
};

/* False with an exception, which the engine has no memory for perhaps. */
bool writer_classes_find(struct writer_classes *classes, JSContext *context);
void writer_classes_free(struct writer_classes *classes, JSContext *context);

/* Writes a value after what is in the output. What it has written stays where it fails. */
enum written writer_write(struct writer *writer, JSValueConst value);

/* Writes an array of our own: a toJSON of the author's is asked of its elements, and not of itself. */
enum written writer_write_list(struct writer *writer, JSValueConst array);

/* Writes a text of the engine's. */
enum written writer_write_text(struct writer *writer, JSValueConst text);

/* Writes the head of an array; its elements follow. */
enum written writer_write_array_head(struct writer *writer, uint32_t length);

#endif
