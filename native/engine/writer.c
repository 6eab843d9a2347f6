#include "writer.h"

#include <string.h>

#include "messagepack.h"
#include "primitives.h"
#include "reader.h"

/* Properties, elements and proxies between two looks at the clock where no code of the author's runs, which looks
 * itself. One may take 10 ms: a toJSON that is looked for in 300,000 prototypes. */
#define STEPS_BETWEEN_LOOKS 16

/* The object that a value is written inside of, and the next one outwards. */
struct writer_place {
    const void *object;
    const struct writer_place *outside;
};

/* The key that a value stands under, which its toJSON is given: an atom, or the number of an element. */
struct key {
    JSAtom atom;
    int64_t index;
};

static const struct key NO_KEY = {0, -1};

static enum written write_value(struct writer *writer, JSValueConst value, struct key key);

static enum written write_key(struct writer *writer, JSAtom atom) {
    const struct key_written *known = keys_encoded(writer->keys, atom);
    enum written why;
    if (known != NULL) {
        uint8_t *at = primitives_room(writer, known->length, &why);
        if (at == NULL) {
            return why;
        }
        /* All of it, since a copy of constant length takes no call; what is too much lies in the output's margin. */
        memcpy(at, known->encoded, sizeof known->encoded);
        primitives_end_at(writer, at + known->length);
        return WRITTEN;
    }
    size_t length;
    const char *text = quickjs.JS_AtomToCStringLen(writer->context, &length, atom);
    if (text == NULL) {
        return FAILED;
    }
    size_t begins = writer->output->length;
    enum written outcome = primitives_write_bytes(writer, (const uint8_t *)text, length);
    quickjs.JS_FreeCString(writer->context, text);
    if (outcome == WRITTEN) {
        const struct output *output = writer->output;
        keys_keep(writer->keys, writer->context, atom, output->bytes + begins, output->length - begins);
    }
    return outcome;
}

/* Whether the run's time is over, told as the engine tells it: no script catches that. */
static bool interrupted(struct writer *writer) {
    writer->steps++;
    if (writer->steps % STEPS_BETWEEN_LOOKS != 0 || !writer->interrupted(writer->opaque)) {
        return false;
    }
    quickjs.JS_ThrowInternalError(writer->context, "interrupted");
    JSValue error = quickjs.JS_GetException(writer->context);
    quickjs.JS_SetUncatchableError(writer->context, error);
    quickjs.JS_Throw(writer->context, error);
    return true;
}

static enum written write_element(struct writer *writer, JSValueConst array, uint32_t index) {
    JSValue element = quickjs.JS_GetPropertyUint32(writer->context, array, index);
    if (element.tag == JS_TAG_EXCEPTION) {
        return FAILED;
    }
    enum written outcome = write_value(writer, element, (struct key){0, index});
    quickjs.JS_FreeValue(writer->context, element);
    return outcome == LEFT_OUT ? primitives_write_nil(writer) : outcome;
}

static enum written write_array(struct writer *writer, JSValueConst array) {
    int64_t length;
    if (quickjs.JS_GetLength(writer->context, array, &length) < 0) {
        return FAILED;
    }
    /* Each element takes a byte at least: of a list that is long and empty none is asked for. */
    if (length > UINT32_MAX || (uint64_t)length > writer->most) {
        return EXCEEDED;
    }
    enum written outcome = writer_write_array_head(writer, (uint32_t)length);
    for (uint32_t index = 0; index < (uint32_t)length && outcome == WRITTEN; index++) {
        outcome = interrupted(writer) ? FAILED : write_element(writer, array, index);
    }
    return outcome;
}

/* Writes key and value, or neither. */
static enum written write_property(struct writer *writer, JSValueConst object, JSAtom atom) {
    JSValue value = quickjs.JS_GetProperty(writer->context, object, atom);
    if (value.tag == JS_TAG_EXCEPTION) {
        return FAILED;
    }
    size_t begins = writer->output->length;
    enum written outcome = write_key(writer, atom);
    if (outcome == WRITTEN) {
        outcome = write_value(writer, value, (struct key){atom, -1});
    }
    if (outcome == LEFT_OUT) {
        writer->output->length = begins;
        writer->lost_value = true;
    }
    quickjs.JS_FreeValue(writer->context, value);
    return outcome;
}

/* The head of a map of so many pairs at most, whose true number is put into it once it is known. */
static unsigned map_count_bytes(uint32_t most) {
    return most < 16 ? 0 : most <= UINT16_MAX ? 2 : 4;
}

static void put_map_head(uint8_t *at, uint32_t pairs, unsigned count_bytes) {
    if (count_bytes == 0) {
        messagepack_put(at, (uint8_t)(0x80 | pairs), 0, 0);
    } else {
        messagepack_put(at, count_bytes == 2 ? 0xde : 0xdf, pairs, count_bytes);
    }
}

static enum written write_properties(struct writer *writer, JSValueConst object) {
    JSPropertyEnum *properties;
    uint32_t count;
    /* The keys before any value, as JSON.stringify: what a getter adds is not written, and what it removes is left out. */
    int flags = JS_GPN_STRING_MASK | JS_GPN_ENUM_ONLY;
    if (quickjs.JS_GetOwnPropertyNames(writer->context, &properties, &count, object, flags) < 0) {
        return FAILED;
    }
    size_t begins = writer->output->length;
    unsigned count_bytes = map_count_bytes(count);
    uint32_t pairs = 0;
    enum written outcome;
    uint8_t *at = primitives_room(writer, 1 + count_bytes, &outcome);
    if (at != NULL) {
        primitives_end_at(writer, at + 1 + count_bytes);
        outcome = WRITTEN;
    }
    for (uint32_t index = 0; index < count && outcome == WRITTEN; index++) {
        outcome = interrupted(writer) ? FAILED : write_property(writer, object, properties[index].atom);
        if (outcome == WRITTEN) {
            pairs++;
        } else if (outcome == LEFT_OUT) {
            outcome = WRITTEN;
        }
    }
    if (outcome == WRITTEN) {
        put_map_head(writer->output->bytes + begins, pairs, count_bytes);
    }
    quickjs.JS_FreePropertyEnum(writer->context, properties, count);
    return outcome;
}

/* 1 for an array and a proxy of one, 0 for another object, -1 with an exception. */
static int is_array(struct writer *writer, JSValueConst object) {
    if (!quickjs.JS_IsProxy(object)) {
        return quickjs.JS_IsArray(object);
    }
    /* Proxies of proxies, to any depth: as many as there is memory for, and in each element again. */
    JSValue target = quickjs.JS_GetProxyTarget(writer->context, object);
    while (target.tag == JS_TAG_OBJECT && quickjs.JS_IsProxy(target)) {
        if (interrupted(writer)) {
            quickjs.JS_FreeValue(writer->context, target);
            return -1;
        }
        JSValue next = quickjs.JS_GetProxyTarget(writer->context, target);
        quickjs.JS_FreeValue(writer->context, target);
        target = next;
    }
    if (target.tag == JS_TAG_EXCEPTION) {
        return -1;
    }
    int found = quickjs.JS_IsArray(target);
    quickjs.JS_FreeValue(writer->context, target);
    return found;
}

static enum written write_container(struct writer *writer, JSValueConst object) {
    for (const struct writer_place *place = writer->inside; place != NULL; place = place->outside) {
        if (place->object == object.pointer) {
            quickjs.JS_ThrowTypeError(writer->context, "circular reference");
            return FAILED;
        }
    }
    if (writer->depth == NESTING_MOST) {
        quickjs.JS_ThrowRangeError(writer->context, "Maximum call stack size exceeded");
        return FAILED;
    }
    int array = is_array(writer, object);
    if (array < 0) {
        return FAILED;
    }
    struct writer_place place = {object.pointer, writer->inside};
    writer->inside = &place;
    writer->depth++;
    enum written outcome = array ? write_array(writer, object) : write_properties(writer, object);
    writer->depth--;
    writer->inside = place.outside;
    return outcome;
}

static enum written write_and_free(struct writer *writer, JSValue primitive) {
    enum written outcome = primitives_write(writer, primitive);
    quickjs.JS_FreeValue(writer->context, primitive);
    return outcome;
}

/* What JSON.rawJSON made: an object with the text of a primitive. */
static enum written write_raw(struct writer *writer, JSValueConst object) {
    JSContext *context = writer->context;
    JSValue text = quickjs.JS_GetProperty(context, object, writer->classes->raw_json_text);
    if (text.tag == JS_TAG_EXCEPTION) {
        return FAILED;
    }
    size_t length;
    const char *bytes = quickjs.JS_ToCStringLen2(context, &length, text, false);
    quickjs.JS_FreeValue(context, text);
    if (bytes == NULL) {
        return FAILED;
    }
    JSValue value = quickjs.JS_ParseJSON(context, bytes, length, "<rawJSON>");
    bool negative;
    uint64_t magnitude;
    bool is_integer = primitives_read_digits(bytes, length, &negative, &magnitude);
    quickjs.JS_FreeCString(context, bytes);
    if (!is_integer || value.tag == JS_TAG_EXCEPTION) {
        return write_and_free(writer, value);
    }
    quickjs.JS_FreeValue(context, value);
    return negative ? primitives_write_integer(writer, (int64_t)-magnitude)
                    : primitives_write_natural(writer, magnitude);
}

static enum written write_object(struct writer *writer, JSValueConst object) {
    JSContext *context = writer->context;
    const struct writer_classes *classes = writer->classes;
    uint32_t class = quickjs.JS_GetClassID(object);
    if (class == classes->text) {
        return write_and_free(writer, quickjs.JS_ToString(context, object));
    }
    if (class == classes->number) {
        return write_and_free(writer, quickjs.JS_ToNumber(context, object));
    }
    if (class == classes->boolean) {
        return write_and_free(writer, quickjs.JS_Call(context, classes->boolean_value_of, object, 0, NULL));
    }
    if (class == classes->big_integer) {
        return primitives_refuse_big_integer(writer);
    }
    if (class == classes->raw_json) {
        return write_raw(writer, object);
    }
    return quickjs.JS_IsFunction(context, object) ? LEFT_OUT : write_container(writer, object);
}

static enum written write_plain(struct writer *writer, JSValueConst value) {
    return value.tag == JS_TAG_OBJECT ? write_object(writer, value) : primitives_write(writer, value);
}

static JSValue key_text(struct writer *writer, struct key key) {
    if (key.atom != 0) {
        return quickjs.JS_AtomToString(writer->context, key.atom);
    }
    if (key.index < 0) {
        return quickjs.JS_NewStringLen(writer->context, "", 0);
    }
    return quickjs.JS_ToString(writer->context, (JSValue){.float64 = (double)key.index, .tag = JS_TAG_FLOAT64});
}

static enum written write_replaced(struct writer *writer, JSValueConst value, JSValueConst to_json, struct key key) {
    JSValue text = key_text(writer, key);
    if (text.tag == JS_TAG_EXCEPTION) {
        return FAILED;
    }
    JSValue replaced = quickjs.JS_Call(writer->context, to_json, value, 1, &text);
    quickjs.JS_FreeValue(writer->context, text);
    enum written outcome = write_plain(writer, replaced);
    quickjs.JS_FreeValue(writer->context, replaced);
    return outcome;
}

static bool may_have_to_json(JSValueConst value) {
    return value.tag == JS_TAG_OBJECT || value.tag == JS_TAG_BIG_INT || value.tag == JS_TAG_SHORT_BIG_INT;
}

static enum written write_value(struct writer *writer, JSValueConst value, struct key key) {
    writer->values++;
    if (!may_have_to_json(value)) {
        return primitives_write(writer, value);
    }
    JSValue to_json = quickjs.JS_GetProperty(writer->context, value, writer->classes->to_json);
    if (to_json.tag == JS_TAG_EXCEPTION) {
        return FAILED;
    }
    enum written outcome = quickjs.JS_IsFunction(writer->context, to_json) ? write_replaced(writer, value, to_json, key)
                                                                           : write_plain(writer, value);
    quickjs.JS_FreeValue(writer->context, to_json);
    return outcome;
}

enum written writer_write_list(struct writer *writer, JSValueConst array) {
    return write_container(writer, array);
}

enum written writer_write(struct writer *writer, JSValueConst value) {
    return write_value(writer, value, NO_KEY);
}
