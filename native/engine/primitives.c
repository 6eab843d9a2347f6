#include "primitives.h"

#include <math.h>
#include <string.h>

#include "messagepack.h"

/* The number from which on JavaScript shows not all digits that an integer has. */
#define EXACT_INTEGER 9007199254740992.0
#define TWO_TO_THE_64 18446744073709551616.0

uint8_t *primitives_room(struct writer *writer, size_t bytes, enum written *why) {
    if (bytes > writer->most || writer->output->length > writer->most - bytes) {
        *why = EXCEEDED;
        return NULL;
    }
    uint8_t *at = output_room(writer->output, bytes);
    if (at == NULL) {
        quickjs.JS_ThrowOutOfMemory(writer->context);
        *why = FAILED;
    }
    return at;
}

void primitives_end_at(struct writer *writer, const uint8_t *at) {
    writer->output->length = (size_t)(at - writer->output->bytes);
}

/* What a head takes may be more than it needs: the last byte of what may be written is the head's. */
static enum written head_ends_at(struct writer *writer, const uint8_t *at) {
    primitives_end_at(writer, at);
    return writer->output->length <= writer->most ? WRITTEN : EXCEEDED;
}

static uint8_t *head_room(struct writer *writer, enum written *why) {
    return primitives_room(writer, 0, why);
}

enum written primitives_write_nil(struct writer *writer) {
    enum written why;
    uint8_t *at = head_room(writer, &why);
    return at == NULL ? why : head_ends_at(writer, messagepack_write_nil(at));
}

static enum written write_boolean(struct writer *writer, bool boolean) {
    enum written why;
    uint8_t *at = head_room(writer, &why);
    return at == NULL ? why : head_ends_at(writer, messagepack_write_boolean(at, boolean));
}

enum written primitives_write_integer(struct writer *writer, int64_t number) {
    enum written why;
    uint8_t *at = head_room(writer, &why);
    return at == NULL ? why : head_ends_at(writer, messagepack_write_integer(at, number));
}

enum written primitives_write_natural(struct writer *writer, uint64_t number) {
    enum written why;
    uint8_t *at = head_room(writer, &why);
    return at == NULL ? why : head_ends_at(writer, messagepack_write_natural(at, number));
}

static enum written write_float(struct writer *writer, double number) {
    enum written why;
    uint8_t *at = head_room(writer, &why);
    return at == NULL ? why : head_ends_at(writer, messagepack_write_float(at, number));
}

enum written writer_write_array_head(struct writer *writer, uint32_t length) {
    enum written why;
    uint8_t *at = head_room(writer, &why);
    return at == NULL ? why : head_ends_at(writer, messagepack_write_array_head(at, length));
}

/* Whether three bytes of the engine's are half of a surrogate pair, which it writes as if it were a character. */
static bool is_half(const uint8_t *at, const uint8_t *end) {
    return end - at >= 3 && at[0] == 0xed && at[1] >= 0xa0;
}

static size_t halves_in(const uint8_t *text, size_t length) {
    const uint8_t *end = text + length;
    size_t halves = 0;
    for (const uint8_t *at = text; (at = memchr(at, 0xed, (size_t)(end - at))) != NULL; at++) {
        halves += is_half(at, end);
    }
    return halves;
}

static uint8_t *without_halves(uint8_t *to, const uint8_t *text, size_t length) {
    const uint8_t *end = text + length;
    while (text < end) {
        if (is_half(text, end)) {
            *to++ = '?';
            text += 3;
        } else {
            *to++ = *text++;
        }
    }
    return to;
}

enum written primitives_write_bytes(struct writer *writer, const uint8_t *text, size_t length) {
    size_t halves = halves_in(text, length);
    size_t bytes = length - 2 * halves;
    if (bytes > UINT32_MAX) {
        return EXCEEDED;
    }
    enum written why;
    uint8_t *at = primitives_room(writer, bytes, &why);
    if (at == NULL) {
        return why;
    }
    at = messagepack_write_text_head(at, (uint32_t)bytes);
    if (halves > 0) {
        return head_ends_at(writer, without_halves(at, text, length));
    }
    memcpy(at, text, length);
    return head_ends_at(writer, at + length);
}

enum written writer_write_text(struct writer *writer, JSValueConst text) {
    size_t length;
    const char *bytes = quickjs.JS_ToCStringLen2(writer->context, &length, text, false);
    if (bytes == NULL) {
        return FAILED;
    }
    enum written outcome = primitives_write_bytes(writer, (const uint8_t *)bytes, length);
    quickjs.JS_FreeCString(writer->context, bytes);
    return outcome;
}

bool primitives_read_digits(const char *text, size_t length, bool *negative, uint64_t *magnitude) {
    size_t index = 0;
    *negative = length > 0 && text[0] == '-';
    index += *negative;
    if (index == length) {
        return false;
    }
    *magnitude = 0;
    for (; index < length; index++) {
        unsigned digit = (unsigned)(text[index] - '0');
        if (digit > 9 || __builtin_mul_overflow(*magnitude, 10, magnitude) ||
            __builtin_add_overflow(*magnitude, digit, magnitude)) {
            return false;
        }
    }
    return !*negative || *magnitude <= (uint64_t)INT64_MAX + 1;
}

/* The integer that a value shows, and otherwise the number that it is. */
static enum written write_shown(struct writer *writer, JSValueConst value, double number) {
    size_t length;
    const char *text = quickjs.JS_ToCStringLen2(writer->context, &length, value, false);
    if (text == NULL) {
        return FAILED;
    }
    bool negative;
    uint64_t magnitude;
    enum written outcome;
    if (!primitives_read_digits(text, length, &negative, &magnitude)) {
        outcome = write_float(writer, number);
    } else if (negative) {
        outcome = primitives_write_integer(writer, (int64_t)-magnitude);
    } else {
        outcome = primitives_write_natural(writer, magnitude);
    }
    quickjs.JS_FreeCString(writer->context, text);
    return outcome;
}

static enum written write_number(struct writer *writer, double number) {
    if (!isfinite(number)) {
        writer->lost_value = true;
        return primitives_write_nil(writer);
    }
    double magnitude = fabs(number);
    if (magnitude < EXACT_INTEGER) {
        int64_t whole = (int64_t)number;
        return (double)whole == number ? primitives_write_integer(writer, whole) : write_float(writer, number);
    }
    if (magnitude >= TWO_TO_THE_64) {
        return write_float(writer, number);
    }
    return write_shown(writer, (JSValue){.float64 = number, .tag = JS_TAG_FLOAT64}, number);
}

enum written primitives_refuse_big_integer(struct writer *writer) {
    quickjs.JS_ThrowTypeError(writer->context, "BigInt are forbidden in JSON.stringify");
    return FAILED;
}

enum written primitives_write(struct writer *writer, JSValueConst value) {
    switch (value.tag) {
    case JS_TAG_INT:
        return primitives_write_integer(writer, value.int32);
    case JS_TAG_FLOAT64:
        return write_number(writer, value.float64);
    case JS_TAG_BOOL:
        return write_boolean(writer, value.int32 != 0);
    case JS_TAG_NULL:
        return primitives_write_nil(writer);
    case JS_TAG_STRING:
    case JS_TAG_STRING_ROPE:
        return writer_write_text(writer, value);
    case JS_TAG_BIG_INT:
    case JS_TAG_SHORT_BIG_INT:
        return primitives_refuse_big_integer(writer);
    case JS_TAG_EXCEPTION:
        return FAILED;
    default:
        return LEFT_OUT;
    }
}
