#include "reader.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "messagepack.h"

/* Elements of an array that are read before there is an array: a longer one has its place in the engine's memory. */
#define FEW_ELEMENTS 8
/* The integers up to here are all numbers of JavaScript's. */
#define EXACT_INTEGER (UINT64_C(1) << 53)
#define DIGITS_BYTES 32

struct reader {
    JSContext *context;
    struct keys *keys;
    struct messagepack_input input;
    unsigned depth;
};

static JSValue read_value(struct reader *reader);

static JSValue refuse(struct reader *reader, const char *what) {
    return quickjs.JS_ThrowSyntaxError(reader->context, "MessagePack that cannot be read: %s", what);
}

static bool is_continuation(uint8_t byte) {
    return (byte & 0xc0) == 0x80;
}

/* The length of the character that begins at `at`, 0 where none does. RFC 3629, section 4. */
static unsigned character_length(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        return left >= 2 && is_continuation(at[1]) ? 2 : 0;
    }
    if (first >= 0xe0 && first <= 0xef) {
        uint8_t least = first == 0xe0 ? 0xa0 : 0x80;
        uint8_t most = first == 0xed ? 0x9f : 0xbf;
        return left >= 3 && at[1] >= least && at[1] <= most && is_continuation(at[2]) ? 3 : 0;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        uint8_t least = first == 0xf0 ? 0x90 : 0x80;
        uint8_t most = first == 0xf4 ? 0x8f : 0xbf;
        bool is_character =
            left >= 4 && at[1] >= least && at[1] <= most && is_continuation(at[2]) && is_continuation(at[3]);
        return is_character ? 4 : 0;
    }
    return 0;
}

static bool is_utf8(const uint8_t *at, size_t length) {
    const uint8_t *end = at + length;
    while (at < end) {
        uint64_t word;
        if ((size_t)(end - at) >= sizeof word) {
            memcpy(&word, at, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                at += sizeof word;
                continue;
            }
        }
        unsigned character = character_length(at, (size_t)(end - at));
        if (character == 0) {
            return false;
        }
        at += character;
    }
    return true;
}

/* The text of `length` bytes, which are there; NULL where it is no UTF-8. */
static const char *take_text(struct reader *reader, size_t length) {
    const uint8_t *text = reader->input.at;
    reader->input.at += length;
    return is_utf8(text, length) ? (const char *)text : NULL;
}

static JSValue digits(struct reader *reader, bool negative, uint64_t magnitude) {
    char text[DIGITS_BYTES];
    int length = snprintf(text, sizeof text, "%s%" PRIu64, negative ? "-" : "", magnitude);
    return quickjs.JS_NewStringLen(reader->context, text, (size_t)length);
}

static JSValue integer(struct reader *reader, const struct messagepack_head *head) {
    bool negative = head->kind == MESSAGEPACK_NEGATIVE;
    uint64_t magnitude = negative ? -(uint64_t)head->negative : head->natural;
    if (magnitude > EXACT_INTEGER) {
        return digits(reader, negative, magnitude);
    }
    int64_t number = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    if (number >= INT32_MIN && number <= INT32_MAX) {
        return (JSValue){.int32 = (int32_t)number, .tag = JS_TAG_INT};
    }
    return (JSValue){.float64 = (double)number, .tag = JS_TAG_FLOAT64};
}

static void free_all(struct reader *reader, const JSValue *values, uint32_t count) {
    for (uint32_t index = 0; index < count; index++) {
        quickjs.JS_FreeValue(reader->context, values[index]);
    }
}

static JSValue read_elements(struct reader *reader, JSValue *values, uint32_t length) {
    for (uint32_t index = 0; index < length; index++) {
        values[index] = read_value(reader);
        if (values[index].tag == JS_TAG_EXCEPTION) {
            free_all(reader, values, index);
            return values[index];
        }
    }
    /* No element is set: what an author has put at Array.prototype does not see them. Frees them where it fails. */
    return quickjs.JS_NewArrayFrom(reader->context, (int)length, values);
}

static JSValue read_few_elements(struct reader *reader, uint32_t length) {
    JSValue values[FEW_ELEMENTS];
    return read_elements(reader, values, length);
}

static JSValue read_array(struct reader *reader, uint32_t length) {
    if (length <= FEW_ELEMENTS) {
        return read_few_elements(reader, length);
    }
    if (length > INT32_MAX) {
        return refuse(reader, "an array is too long");
    }
    JSValue *values = quickjs.js_malloc(reader->context, length * sizeof *values);
    if (values == NULL) {
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    }
    JSValue array = read_elements(reader, values, length);
    quickjs.js_free(reader->context, values);
    return array;
}

/* A key that is a floating number, as JavaScript writes it. */
static JSAtom number_atom(struct reader *reader, double number) {
    JSValue value = {.float64 = number, .tag = JS_TAG_FLOAT64};
    return quickjs.JS_ValueToAtom(reader->context, value);
}

/* 0 with an exception. */
static JSAtom read_key(struct reader *reader) {
    struct messagepack_head head;
    if (!messagepack_read_head(&reader->input, &head)) {
        refuse(reader, "it ends too early");
        return 0;
    }
    switch (head.kind) {
    case MESSAGEPACK_TEXT: {
        const char *text = take_text(reader, head.length);
        if (text == NULL) {
            refuse(reader, "a key is no UTF-8");
            return 0;
        }
        return keys_atom(reader->keys, reader->context, text, head.length);
    }
    case MESSAGEPACK_NATURAL:
    case MESSAGEPACK_NEGATIVE: {
        char text[DIGITS_BYTES];
        int length = head.kind == MESSAGEPACK_NATURAL ? snprintf(text, sizeof text, "%" PRIu64, head.natural)
                                                      : snprintf(text, sizeof text, "%" PRId64, head.negative);
        return keys_atom(reader->keys, reader->context, text, (size_t)length);
    }
    case MESSAGEPACK_FLOAT:
        if (isfinite(head.floating)) {
            return number_atom(reader, head.floating);
        }
        refuse(reader, "a key of a map is no number, text or a number is needed");
        return 0;
    case MESSAGEPACK_NIL:
        refuse(reader, "a key of a map is nil, text or a number is needed");
        return 0;
    case MESSAGEPACK_BOOLEAN:
        refuse(reader, "a key of a map is a truth value, text or a number is needed");
        return 0;
    case MESSAGEPACK_ARRAY:
        refuse(reader, "a key of a map is an array, text or a number is needed");
        return 0;
    case MESSAGEPACK_MAP:
        refuse(reader, "a key of a map is a map, text or a number is needed");
        return 0;
    default:
        refuse(reader, "a key of a map is binary, text or a number is needed");
        return 0;
    }
}

static JSValue read_map(struct reader *reader, uint32_t pairs) {
    JSValue object = quickjs.JS_NewObject(reader->context);
    if (object.tag == JS_TAG_EXCEPTION) {
        return object;
    }
    for (uint32_t pair = 0; pair < pairs; pair++) {
        JSAtom key = read_key(reader);
        if (key == 0) {
            goto failed;
        }
        JSValue value = read_value(reader);
        int defined = -1;
        if (value.tag != JS_TAG_EXCEPTION) {
            /* Defined and not set: __proto__ is a key like others, and nobody's setter sees it. */
            defined = quickjs.JS_DefinePropertyValue(reader->context, object, key, value, JS_PROP_C_W_E);
        }
        quickjs.JS_FreeAtom(reader->context, key);
        if (defined < 0) {
            goto failed;
        }
    }
    return object;

failed:
    quickjs.JS_FreeValue(reader->context, object);
    return (JSValue){.tag = JS_TAG_EXCEPTION};
}

static JSValue read_container(struct reader *reader, const struct messagepack_head *head) {
    if (reader->depth == NESTING_MOST) {
        return refuse(reader, "it is nested too deep");
    }
    reader->depth++;
    JSValue container =
        head->kind == MESSAGEPACK_ARRAY ? read_array(reader, head->length) : read_map(reader, head->length);
    reader->depth--;
    return container;
}

static JSValue read_value(struct reader *reader) {
    /* An extension's head has its type: gcc, which says that it may have none, does not see it. */
    struct messagepack_head head = {.extension_type = 0};
    if (!messagepack_read_head(&reader->input, &head)) {
        return refuse(reader, "it ends too early");
    }
    switch (head.kind) {
    case MESSAGEPACK_NIL:
        return (JSValue){.tag = JS_TAG_NULL};
    case MESSAGEPACK_BOOLEAN:
        return (JSValue){.int32 = head.boolean, .tag = JS_TAG_BOOL};
    case MESSAGEPACK_NATURAL:
    case MESSAGEPACK_NEGATIVE:
        return integer(reader, &head);
    case MESSAGEPACK_FLOAT:
        if (!isfinite(head.floating)) {
            return refuse(reader, isnan(head.floating) ? "NaN is no value" : "infinity is no value");
        }
        return (JSValue){.float64 = head.floating, .tag = JS_TAG_FLOAT64};
    case MESSAGEPACK_TEXT: {
        const char *text = take_text(reader, head.length);
        if (text == NULL) {
            return refuse(reader, "a text is no UTF-8");
        }
        return quickjs.JS_NewStringLen(reader->context, text, head.length);
    }
    case MESSAGEPACK_ARRAY:
    case MESSAGEPACK_MAP:
        return read_container(reader, &head);
    case MESSAGEPACK_BINARY:
        return refuse(reader, "binary is no value");
    case MESSAGEPACK_EXTENSION:
        return refuse(reader, head.extension_type == -1 ? "a timestamp is no value" : "an extension is no value");
    }
    return refuse(reader, "it begins with nothing known");
}

JSValue reader_read(JSContext *context, struct keys *keys, const uint8_t *bytes, size_t length) {
    struct reader reader = {
        .context = context,
        .keys = keys,
        .input = {.at = bytes, .end = bytes + length},
    };
    JSValue value = read_value(&reader);
    if (value.tag != JS_TAG_EXCEPTION && reader.input.at != reader.input.end) {
        quickjs.JS_FreeValue(context, value);
        return refuse(&reader, "something follows its end");
    }
    return value;
}
