#include "lent.h"

#include <string.h>

#include "engine.h"
#include "reader.h"

static const JSValue UNDEFINED = {.tag = JS_TAG_UNDEFINED};

static struct engine *engine_of(JSContext *context) {
    return quickjs.JS_GetContextOpaque(context);
}

static struct writer writer_to(struct engine *engine, struct output *output, size_t most) {
    return (struct writer){
        .context = engine->realm->context,
        .keys = &engine->realm->keys,
        .classes = &engine->realm->classes,
        .output = output,
        .most = most,
        .interrupted = engine_time_may_be_over,
        .opaque = engine,
    };
}

/* A number of the runtime's as bytes; the runtime is ours, and gives numbers. */
static size_t bytes_of(JSValueConst number) {
    if (number.tag == JS_TAG_INT) {
        return number.int32 > 0 ? (size_t)number.int32 : 0;
    }
    if (number.tag != JS_TAG_FLOAT64 || !(number.float64 > 0)) {
        return 0;
    }
    return number.float64 < (double)UINT32_MAX ? (size_t)number.float64 : UINT32_MAX;
}

/* read(): the value that came with the call under way. */
static JSValue read_input(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    (void)arguments;
    struct engine *engine = engine_of(context);
    if (engine->input == NULL) {
        return quickjs.JS_ThrowTypeError(context, "nothing to read");
    }
    const uint8_t *input = engine->input;
    engine->input = NULL;
    return reader_read(context, &engine->realm->keys, input, engine->input_bytes);
}

/* write(value, most): makes it the result. True, false where it is longer than `most` bytes, undefined where it is nothing
 * that can be written. */
static JSValue write_result(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct engine *engine = engine_of(context);
    struct output *output = engine_begin_output(engine);
    if (output == NULL) {
        return quickjs.JS_ThrowOutOfMemory(context);
    }
    struct writer writer = writer_to(engine, output, bytes_of(arguments[1]));
    enum written outcome = writer_write(&writer, arguments[0]);
    output_clear(&engine->result);
    if (outcome == WRITTEN) {
        engine->result = *output;
        *output = (struct output){0};
    }
    engine_end_output(engine);
    engine->lost_value = writer.lost_value;
    switch (outcome) {
    case FAILED:
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    case LEFT_OUT:
        return UNDEFINED;
    default:
        return (JSValue){.int32 = outcome == WRITTEN, .tag = JS_TAG_BOOL};
    }
}

/* lostValue(): whether the result has nil in place of NaN or infinity, or lacks a property that was undefined or a function. */
static JSValue lost_value(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    (void)arguments;
    return (JSValue){.int32 = engine_of(context)->lost_value, .tag = JS_TAG_BOOL};
}

/* Adds an element to a list; FAILED with an exception where there is no memory for it. */
static enum written add(JSContext *context, struct list *list, const struct output *element) {
    uint8_t *at = output_room(&list->elements, element->length);
    if (at == NULL) {
        quickjs.JS_ThrowOutOfMemory(context);
        return FAILED;
    }
    memcpy(at, element->bytes, element->length);
    list->elements.length += element->length;
    list->count++;
    return WRITTEN;
}

static enum written write_call(struct writer *writer, JSValueConst *id_name_arguments) {
    enum written outcome = writer_write_array_head(writer, 3);
    if (outcome == WRITTEN) {
        outcome = writer_write(writer, id_name_arguments[0]);
    }
    if (outcome == WRITTEN) {
        outcome = writer_write_text(writer, id_name_arguments[1]);
    }
    return outcome == WRITTEN ? writer_write_list(writer, id_name_arguments[2]) : outcome;
}

/* What a value counts for beside its bytes. The host makes an object of each, while it does nothing else: of a megabyte of
 * empty lists for some 60 ms, of a megabyte that is counted so for 3. */
#define VALUE_BYTES 16

/* addCall(most, id, name, arguments): asks something of the host. Gives the bytes that it counts for, -1 where they are
 * more than `most`. */
static JSValue add_call(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct engine *engine = engine_of(context);
    /* By itself first: an argument's toJSON may ask something as well, whose place is before this. */
    struct output *output = engine_begin_output(engine);
    if (output == NULL) {
        return quickjs.JS_ThrowOutOfMemory(context);
    }
    struct writer writer = writer_to(engine, output, bytes_of(arguments[0]));
    enum written outcome = write_call(&writer, arguments + 1);
    size_t bytes = output->length + (size_t)VALUE_BYTES * writer.values;
    if (outcome == WRITTEN) {
        outcome = bytes > writer.most ? EXCEEDED : add(context, &engine->calls, output);
    }
    engine_end_output(engine);
    if (outcome == FAILED) {
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    }
    if (outcome != WRITTEN) {
        return (JSValue){.int32 = -1, .tag = JS_TAG_INT};
    }
    return (JSValue){.float64 = (double)bytes, .tag = JS_TAG_FLOAT64};
}

/* addLine(level, text): the runtime has bounded both. */
static JSValue add_line(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct engine *engine = engine_of(context);
    /* By itself first: of a heap that becomes full here half a line would be left. */
    struct output *output = engine_begin_output(engine);
    if (output == NULL) {
        return quickjs.JS_ThrowOutOfMemory(context);
    }
    struct writer writer = writer_to(engine, output, UINT32_MAX);
    enum written outcome = writer_write_array_head(&writer, 2);
    if (outcome == WRITTEN) {
        outcome = writer_write_text(&writer, arguments[0]);
    }
    if (outcome == WRITTEN) {
        outcome = writer_write_text(&writer, arguments[1]);
    }
    if (outcome == WRITTEN) {
        outcome = add(context, &engine->lines, output);
    }
    engine_end_output(engine);
    return outcome == FAILED ? (JSValue){.tag = JS_TAG_EXCEPTION} : UNDEFINED;
}

/* stop(status): ends the run with it, at once and wherever it is. */
static JSValue stop(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    size_t length;
    const char *status = quickjs.JS_ToCStringLen2(context, &length, arguments[0], false);
    if (status == NULL) {
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    }
    if (length > 0) {
        engine_stop(engine_of(context), status, length);
    }
    quickjs.JS_FreeCString(context, status);
    return UNDEFINED;
}

static bool define_function(JSContext *context, JSValueConst object, const char *name, JSCFunction *function,
                            int parameters) {
    JSValue made = quickjs.JS_NewCFunction2(context, function, name, parameters, JS_CFUNC_GENERIC, 0);
    return made.tag != JS_TAG_EXCEPTION && quickjs.JS_SetPropertyStr(context, object, name, made) >= 0;
}

static bool define_library(JSContext *context, JSValueConst object, const uint8_t *library, size_t bytes) {
    if (library == NULL) {
        return true;
    }
    /* The runtime reads it and gives nobody a view of it; it is mapped to be read only besides. */
    JSValue buffer = quickjs.JS_NewArrayBuffer(context, (uint8_t *)library, bytes, 0, NULL, NULL, false);
    return buffer.tag != JS_TAG_EXCEPTION && quickjs.JS_SetPropertyStr(context, object, "library", buffer) >= 0;
}

bool lent_define(JSContext *context, JSValueConst object, const uint8_t *library, size_t library_bytes) {
    return define_function(context, object, "read", read_input, 0) &&
           define_function(context, object, "write", write_result, 2) &&
           define_function(context, object, "lostValue", lost_value, 0) &&
           define_function(context, object, "addCall", add_call, 4) &&
           define_function(context, object, "addLine", add_line, 2) &&
           define_function(context, object, "stop", stop, 1) &&
           define_function(context, object, "fillRandom", cryptography_fill, 1) &&
           define_function(context, object, "digest", cryptography_digest, 2) &&
           define_function(context, object, "compile", modules_compile, 3) &&
           define_function(context, object, "serveModules", modules_serve, 3) &&
           define_function(context, object, "openModule", modules_open_one, 1) &&
           define_function(context, object, "evaluateModule", modules_evaluate, 1) &&
           define_function(context, object, "namespaceOf", modules_namespace, 1) &&
           define_function(context, object, "settled", modules_settled, 1) &&
           define_function(context, object, "evaluatePackage", packages_evaluate, 1) &&
           define_function(context, object, "witness", packages_witness, 0) &&
           define_library(context, object, library, library_bytes);
}
