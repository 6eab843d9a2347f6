#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reader.h"

#define NANOSECONDS 1000000000
/* Of one look at a run of many promise reactions: their number alone bounds no time. */
#define JOBS_NANOSECONDS 1000000

static const JSValue UNDEFINED = {.tag = JS_TAG_UNDEFINED};

static int64_t clock_now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * NANOSECONDS + time.tv_nsec;
}

/* ---- limits ---- */

static bool time_is_over(void *opaque) {
    struct engine *engine = opaque;
    if (engine->ends != INT64_MAX && clock_now(CLOCK_PROCESS_CPUTIME_ID) >= engine->ends) {
        engine->interrupted = true;
    }
    return engine->interrupted;
}

static int interrupt(JSRuntime *runtime, void *opaque) {
    (void)runtime;
    return time_is_over(opaque);
}

void engine_limit_time(struct engine *engine, double seconds) {
    engine->interrupted = false;
    engine->allocator.refused = engine->allocator.exhausted = false;
    /* Some 30 years; more would not fit. */
    double bounded = seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds;
    engine->ends = clock_now(CLOCK_PROCESS_CPUTIME_ID) + (int64_t)(bounded * NANOSECONDS);
}

/* The stack that a script may use begins here. */
static void enter(struct engine *engine) {
    quickjs.JS_UpdateStackTop(engine->realm->runtime);
}

/* ---- what the runtime can do on this side ---- */

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
        .interrupted = time_is_over,
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
    engine->result.length = 0;
    struct writer writer = writer_to(engine, &engine->result, bytes_of(arguments[1]));
    enum written outcome = writer_write(&writer, arguments[0]);
    engine->lost_number = writer.lost_number;
    if (outcome != WRITTEN) {
        output_clear(&engine->result);
    }
    switch (outcome) {
    case FAILED:
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    case LEFT_OUT:
        return UNDEFINED;
    default:
        return (JSValue){.int32 = outcome == WRITTEN, .tag = JS_TAG_BOOL};
    }
}

/* lostNumber(): whether the result has nil in place of NaN or infinity. */
static JSValue lost_number(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    (void)arguments;
    return (JSValue){.int32 = engine_of(context)->lost_number, .tag = JS_TAG_BOOL};
}

/* addCall(most, id, name, arguments): asks something of the host. Gives the bytes that it takes, -1 where they are more
 * than `most`. */
static JSValue add_call(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct engine *engine = engine_of(context);
    struct output *output = &engine->calls.elements;
    size_t begins = output->length;
    struct writer writer = writer_to(engine, output, begins + bytes_of(arguments[0]));
    enum written outcome = writer_write_array_head(&writer, 3);
    if (outcome == WRITTEN) {
        outcome = writer_write(&writer, arguments[1]);
    }
    if (outcome == WRITTEN) {
        outcome = writer_write_text(&writer, arguments[2]);
    }
    if (outcome == WRITTEN) {
        outcome = writer_write_list(&writer, arguments[3]);
    }
    if (outcome == WRITTEN) {
        engine->calls.count++;
        return (JSValue){.float64 = (double)(output->length - begins), .tag = JS_TAG_FLOAT64};
    }
    output->length = begins;
    return outcome == FAILED ? (JSValue){.tag = JS_TAG_EXCEPTION} : (JSValue){.int32 = -1, .tag = JS_TAG_INT};
}

/* addLine(level, text): the runtime has bounded both. */
static JSValue add_line(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    struct engine *engine = engine_of(context);
    struct output *output = &engine->lines.elements;
    size_t begins = output->length;
    struct writer writer = writer_to(engine, output, UINT32_MAX);
    enum written outcome = writer_write_array_head(&writer, 2);
    if (outcome == WRITTEN) {
        outcome = writer_write_text(&writer, arguments[0]);
    }
    if (outcome == WRITTEN) {
        outcome = writer_write_text(&writer, arguments[1]);
    }
    if (outcome == WRITTEN) {
        engine->lines.count++;
        return UNDEFINED;
    }
    output->length = begins;
    return outcome == FAILED ? (JSValue){.tag = JS_TAG_EXCEPTION} : UNDEFINED;
}

/* ---- rejections ---- */

static void forget_rejection(JSContext *context, struct rejection *rejection) {
    struct rejection before = *rejection;
    rejection->kept = false;
    quickjs.JS_FreeValue(context, before.promise);
    quickjs.JS_FreeValue(context, before.reason);
}

static void track_rejection(JSContext *context, JSValueConst promise, JSValueConst reason, bool is_handled,
                            void *opaque) {
    struct engine *engine = opaque;
    struct rejection *free_place = NULL;
    for (unsigned place = 0; place < REJECTIONS_MOST; place++) {
        struct rejection *rejection = &engine->realm->rejections[place];
        if (rejection->kept && rejection->promise.pointer == promise.pointer) {
            if (is_handled) {
                forget_rejection(context, rejection);
            }
            return;
        }
        if (!rejection->kept && free_place == NULL) {
            free_place = rejection;
        }
    }
    if (!is_handled && free_place != NULL) {
        *free_place = (struct rejection){
            .promise = quickjs.JS_DupValue(context, promise),
            .reason = quickjs.JS_DupValue(context, reason),
            .kept = true,
        };
    }
}

bool engine_has_rejections(const struct engine *engine) {
    for (unsigned place = 0; place < REJECTIONS_MOST; place++) {
        if (engine->realm->rejections[place].kept) {
            return true;
        }
    }
    return false;
}

/* ---- life ---- */

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

/* The value that bytecode of ours gives. */
static JSValue evaluate(JSContext *context, const uint8_t *code, size_t bytes) {
    JSValue value = quickjs.JS_ReadObject(context, code, bytes, JS_READ_OBJ_BYTECODE);
    return value.tag == JS_TAG_EXCEPTION ? value : quickjs.JS_EvalFunction(context, value);
}

static bool start_runtime(struct realm *realm, const uint8_t *code, size_t bytes, const uint8_t *library,
                          size_t library_bytes, JSValue *functions) {
    JSContext *context = realm->context;
    JSValue own = quickjs.JS_NewObject(context);
    bool defined = own.tag != JS_TAG_EXCEPTION && define_function(context, own, "read", read_input, 0) &&
                   define_function(context, own, "write", write_result, 2) &&
                   define_function(context, own, "lostNumber", lost_number, 0) &&
                   define_function(context, own, "addCall", add_call, 4) &&
                   define_function(context, own, "addLine", add_line, 2) &&
                   define_library(context, own, library, library_bytes);
    JSValue made = defined ? evaluate(context, code, bytes) : UNDEFINED;
    *functions = made.tag == JS_TAG_OBJECT ? quickjs.JS_Call(context, made, UNDEFINED, 1, &own) : UNDEFINED;
    quickjs.JS_FreeValue(context, made);
    quickjs.JS_FreeValue(context, own);
    return functions->tag == JS_TAG_OBJECT;
}

static bool find_functions(struct realm *realm, JSValueConst object, const char *const *names, unsigned count) {
    for (unsigned index = 0; index < count; index++) {
        JSValue function = quickjs.JS_GetPropertyStr(realm->context, object, names[index]);
        realm->functions[index] = function;
        realm->function_count = index + 1;
        if (function.tag == JS_TAG_EXCEPTION) {
            return false;
        }
    }
    return true;
}

bool engine_open(struct engine *engine, size_t stack_bytes, const uint8_t *code, size_t code_bytes,
                 const char *const *names, unsigned count, const uint8_t *library, size_t library_bytes) {
    *engine = (struct engine){
        .allocator = {.most = SIZE_MAX},
        .ends = INT64_MAX,
    };
    JSRuntime *runtime = quickjs.JS_NewRuntime2(&allocator_functions, &engine->allocator);
    if (runtime == NULL) {
        return false;
    }
    JSContext *context = quickjs.JS_NewContext(runtime);
    struct realm *realm = context == NULL ? NULL : quickjs.js_mallocz(context, sizeof *realm);
    if (realm == NULL) {
        if (context != NULL) {
            quickjs.JS_FreeContext(context);
        }
        quickjs.JS_FreeRuntime(runtime);
        return false;
    }
    realm->runtime = runtime;
    realm->context = context;
    engine->realm = realm;
    quickjs.JS_SetContextOpaque(context, engine);
    quickjs.JS_SetMaxStackSize(runtime, stack_bytes);
    quickjs.JS_SetInterruptHandler(runtime, interrupt, engine);
    quickjs.JS_SetHostPromiseRejectionTracker(runtime, track_rejection, engine);
    enter(engine);
    JSValue functions = UNDEFINED;
    bool opened = writer_classes_find(&realm->classes, context) &&
                  start_runtime(realm, code, code_bytes, library, library_bytes, &functions) &&
                  find_functions(realm, functions, names, count);
    quickjs.JS_FreeValue(context, functions);
    if (!opened) {
        quickjs.JS_FreeValue(context, quickjs.JS_GetException(context));
        engine_close(engine);
    }
    return opened;
}

void engine_close(struct engine *engine) {
    struct realm *realm = engine->realm;
    output_free(&engine->result);
    output_free(&engine->text);
    output_free(&engine->calls.elements);
    output_free(&engine->lines.elements);
    if (realm == NULL) {
        return;
    }
    engine->realm = NULL;
    JSRuntime *runtime = realm->runtime;
    JSContext *context = realm->context;
    quickjs.JS_SetHostPromiseRejectionTracker(runtime, NULL, NULL);
    for (unsigned index = 0; index < realm->function_count; index++) {
        quickjs.JS_FreeValue(context, realm->functions[index]);
    }
    for (unsigned place = 0; place < REJECTIONS_MOST; place++) {
        if (realm->rejections[place].kept) {
            forget_rejection(context, &realm->rejections[place]);
        }
    }
    writer_classes_free(&realm->classes, context);
    keys_clear(&realm->keys, context);
    quickjs.js_free(context, realm);
    quickjs.JS_FreeContext(context);
    quickjs.JS_FreeRuntime(runtime);
}

/* ---- calls ---- */

static void say(struct engine *engine, char tag, const char *text, size_t length) {
    engine->tag = tag;
    engine->text.length = 0;
    uint8_t *at = output_room(&engine->text, length);
    if (at != NULL) {
        memcpy(at, text, length);
        engine->text.length = length;
    }
}

/* The text that a value is, which is freed with JS_FreeCString; NULL where it is none, or there is no memory. */
static const char *text_of(JSContext *context, JSValueConst value, size_t *length) {
    bool is_text = value.tag == JS_TAG_STRING || value.tag == JS_TAG_STRING_ROPE;
    return is_text ? quickjs.JS_ToCStringLen2(context, length, value, false) : NULL;
}

/* The beginning of a property of an error; the limits of the run hold for a getter. */
static void say_property(struct engine *engine, char tag, JSValueConst error, const char *name, size_t most) {
    JSContext *context = engine->realm->context;
    say(engine, tag, "", 0);
    if (error.tag != JS_TAG_OBJECT) {
        return;
    }
    JSValue value = quickjs.JS_GetPropertyStr(context, error, name);
    if (value.tag == JS_TAG_EXCEPTION) {
        quickjs.JS_FreeValue(context, quickjs.JS_GetException(context));
        return;
    }
    size_t length;
    const char *text = text_of(context, value, &length);
    if (text != NULL) {
        say(engine, tag, text, length < most ? length : most);
        quickjs.JS_FreeCString(context, text);
    }
    quickjs.JS_FreeValue(context, value);
}

static bool was_out_of_memory(const struct engine *engine) {
    return engine->allocator.refused || engine->allocator.exhausted;
}

static void say_out_of_memory(struct engine *engine) {
    static const char OF_WORKER[] = "worker";
    say(engine, 'M', OF_WORKER, engine->allocator.exhausted ? sizeof OF_WORKER - 1 : 0);
}

static void say_out_of_time(struct engine *engine, JSValueConst error) {
    /* Only the engine's own error is known to have the stack of the interruption, and no script has had it in its hands. */
    if (quickjs.JS_IsUncatchableError(error)) {
        say_property(engine, 'T', error, "stack", STACK_BYTES_TOLD);
    } else {
        say(engine, 'T', "", 0);
    }
}

/* What to say of an error that our own JavaScript did not catch. */
static void say_ended(struct engine *engine) {
    JSContext *context = engine->realm->context;
    JSValue error = quickjs.JS_GetException(context);
    if (engine->interrupted) {
        say_out_of_time(engine, error);
    } else if (was_out_of_memory(engine)) {
        say_out_of_memory(engine);
    } else {
        say_property(engine, 'B', error, "message", MESSAGE_BYTES_TOLD);
    }
    quickjs.JS_FreeValue(context, error);
}

/* What the runtime says: a tag and what belongs to it. */
static void say_told(struct engine *engine, JSValueConst told) {
    size_t length;
    const char *text = text_of(engine->realm->context, told, &length);
    if (text == NULL || length == 0) {
        say_ended(engine);
    } else {
        say(engine, text[0], text + 1, length - 1);
    }
    if (text != NULL) {
        quickjs.JS_FreeCString(engine->realm->context, text);
    }
    if (engine->tag == 'N') {
        /* The author's null, or the engine's where it had no memory left for an error. */
        engine->tag = was_out_of_memory(engine) ? 'M' : 'E';
    }
    if (engine->tag == 'M') {
        say_out_of_memory(engine);
    }
    /* A promise takes the interrupt for a rejection, which may be what the run ended in. */
    if (engine->interrupted && engine->tag != 'T') {
        say(engine, 'T', "", 0);
    }
}

static void free_values(JSContext *context, const JSValue *values, unsigned count) {
    for (unsigned index = 0; index < count; index++) {
        quickjs.JS_FreeValue(context, values[index]);
    }
}

static JSValue value_of(JSContext *context, const struct argument *argument) {
    switch (argument->kind) {
    case ARGUMENT_TEXT:
        return quickjs.JS_NewStringLen(context, argument->text, argument->length);
    case ARGUMENT_BOOLEAN:
        return (JSValue){.int32 = argument->number != 0, .tag = JS_TAG_BOOL};
    default:
        return (JSValue){.float64 = argument->number, .tag = JS_TAG_FLOAT64};
    }
}

void engine_call(struct engine *engine, unsigned function, const struct argument *arguments, unsigned count,
                 const uint8_t *input, size_t input_bytes) {
    struct realm *realm = engine->realm;
    JSContext *context = realm->context;
    JSValue values[ARGUMENTS_MOST];
    if (engine->ended) {
        return;
    }
    enter(engine);
    unsigned made = 0;
    while (made < count) {
        values[made] = value_of(context, &arguments[made]);
        if (values[made].tag == JS_TAG_EXCEPTION) {
            break;
        }
        made++;
    }
    engine->input = input;
    engine->input_bytes = input_bytes;
    JSValue told = {.tag = JS_TAG_EXCEPTION};
    if (made == count) {
        told = quickjs.JS_Call(context, realm->functions[function], UNDEFINED, (int)count, values);
    }
    engine->input = NULL;
    free_values(context, values, made);
    if (told.tag == JS_TAG_EXCEPTION) {
        say_ended(engine);
    } else {
        say_told(engine, told);
    }
    quickjs.JS_FreeValue(context, told);
}

bool engine_hand(struct engine *engine, unsigned function, const uint8_t *code, size_t code_bytes) {
    JSContext *context = engine->realm->context;
    engine->allocator.refused = engine->allocator.exhausted = false;
    enter(engine);
    JSValue value = evaluate(context, code, code_bytes);
    JSValue told = value;
    if (value.tag != JS_TAG_EXCEPTION) {
        told = quickjs.JS_Call(context, engine->realm->functions[function], UNDEFINED, 1, &value);
        quickjs.JS_FreeValue(context, value);
    }
    if (told.tag == JS_TAG_EXCEPTION) {
        say_ended(engine);
        return false;
    }
    quickjs.JS_FreeValue(context, told);
    return true;
}

bool engine_has_jobs(const struct engine *engine) {
    return quickjs.JS_IsJobPending(engine->realm->runtime);
}

unsigned engine_run_jobs(struct engine *engine, unsigned most) {
    int64_t until = clock_now(CLOCK_MONOTONIC) + JOBS_NANOSECONDS;
    unsigned count = 0;
    enter(engine);
    while (count < most) {
        JSContext *context;
        int ran = quickjs.JS_ExecutePendingJob(engine->realm->runtime, &context);
        if (ran == 0) {
            break;
        }
        count++;
        if (ran < 0) {
            say_ended(engine);
            engine->ended = true;
            break;
        }
        if (clock_now(CLOCK_MONOTONIC) > until) {
            break;
        }
    }
    return count;
}

bool engine_tell_rejection(struct engine *engine, unsigned place, unsigned function) {
    struct realm *realm = engine->realm;
    JSContext *context = realm->context;
    struct rejection *rejection = &realm->rejections[place];
    if (!rejection->kept) {
        return false;
    }
    enter(engine);
    JSValue told = quickjs.JS_Call(context, realm->functions[function], UNDEFINED, 1, &rejection->reason);
    forget_rejection(context, rejection);
    if (told.tag == JS_TAG_EXCEPTION) {
        quickjs.JS_FreeValue(context, quickjs.JS_GetException(context));
        return false;
    }
    size_t length;
    const char *text = text_of(context, told, &length);
    if (text != NULL) {
        say(engine, 'E', text, length);
        quickjs.JS_FreeCString(context, text);
    }
    quickjs.JS_FreeValue(context, told);
    return text != NULL;
}

/* ---- bytecode ---- */

static uint8_t *copied(const uint8_t *code, size_t bytes) {
    uint8_t *copy = malloc(bytes);
    if (copy != NULL) {
        memcpy(copy, code, bytes);
    }
    return copy;
}

static uint8_t *compile_in(JSContext *context, const char *text, size_t length, size_t *code_bytes) {
    JSValue compiled = quickjs.JS_Eval(context, text, length, "<input>", JS_EVAL_FLAG_COMPILE_ONLY);
    if (compiled.tag == JS_TAG_EXCEPTION) {
        return NULL;
    }
    /* No text and no line table: an author's stack has no places of ours. */
    int flags = JS_WRITE_OBJ_BYTECODE | JS_WRITE_OBJ_STRIP_SOURCE | JS_WRITE_OBJ_STRIP_DEBUG;
    uint8_t *code = quickjs.JS_WriteObject(context, code_bytes, compiled, flags);
    quickjs.JS_FreeValue(context, compiled);
    uint8_t *copy = code == NULL ? NULL : copied(code, *code_bytes);
    quickjs.js_free(context, code);
    return copy;
}

static void tell_exception(JSContext *context, char *message, size_t message_bytes) {
    JSValue error = quickjs.JS_GetException(context);
    const char *text = quickjs.JS_ToCStringLen2(context, NULL, error, false);
    snprintf(message, message_bytes, "%s", text == NULL ? "no memory" : text);
    if (text != NULL) {
        quickjs.JS_FreeCString(context, text);
    }
    quickjs.JS_FreeValue(context, error);
}

uint8_t *engine_compile(const char *text, size_t length, size_t *code_bytes, char *message, size_t message_bytes) {
    struct allocator allocator = {.most = SIZE_MAX};
    JSRuntime *runtime = quickjs.JS_NewRuntime2(&allocator_functions, &allocator);
    JSContext *context = runtime == NULL ? NULL : quickjs.JS_NewContext(runtime);
    uint8_t *code = NULL;
    if (context != NULL) {
        code = compile_in(context, text, length, code_bytes);
        if (code == NULL) {
            tell_exception(context, message, message_bytes);
        }
        quickjs.JS_FreeContext(context);
    } else {
        snprintf(message, message_bytes, "no memory");
    }
    if (runtime != NULL) {
        quickjs.JS_FreeRuntime(runtime);
    }
    return code;
}
