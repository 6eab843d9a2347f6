#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bytecode.h"
#include "digest.h"
#include "lent.h"

#define NANOSECONDS 1000000000
/* For so long a reading of the processor time, which is a system call, serves those who set a limit: runs of some 50
 * microseconds come one after the other. Whatever has passed since counts as used before. */
#define READING_NANOSECONDS 1000000

static const JSMallocFunctions arena_functions = {
    .js_calloc = arena_calloc,
    .js_malloc = arena_malloc,
    .js_free = arena_free,
    .js_realloc = arena_realloc,
    .js_malloc_usable_size = arena_usable_size,
};

static const JSValue UNDEFINED = {.tag = JS_TAG_UNDEFINED};

static int64_t clock_now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * NANOSECONDS + time.tv_nsec;
}

/* ---- limits ---- */

bool engine_time_is_over(void *opaque) {
    struct engine *engine = opaque;
    /* The time of day's clock is no system call, and on a busy machine it is over first. */
    if (clock_now(CLOCK_MONOTONIC) >= engine->ends_at ||
        (engine->ends != INT64_MAX && clock_now(CLOCK_PROCESS_CPUTIME_ID) >= engine->ends)) {
        engine->interrupted = true;
    }
    return engine->interrupted;
}

bool engine_time_may_be_over(void *opaque) {
    struct engine *engine = opaque;
    int64_t tick = clock_now(CLOCK_MONOTONIC_COARSE);
    if (tick == engine->looked) {
        return engine->interrupted;
    }
    engine->looked = tick;
    return engine_time_is_over(engine);
}

static void leave_from_within(struct engine *engine, enum left why) {
    if (engine->inside) {
        engine->left = why;
        longjmp(engine->outside, 1);
    }
}

/* No catch of a script's has the engine's own error, but a promise takes it for a rejection, and who makes promises without
 * end goes on. It is lost as well where the engine was about to ask for an error's stack: it has another. */
enum { INTERRUPTIONS_THROWN_MOST = 2 };

static int interrupt(JSRuntime *runtime, void *opaque) {
    (void)runtime;
    struct engine *engine = opaque;
    if (!engine_time_is_over(engine)) {
        return 0;
    }
    if (engine->interruptions_thrown == INTERRUPTIONS_THROWN_MOST) {
        leave_from_within(engine, TIME_OVER);
    }
    engine->interruptions_thrown++;
    return 1;
}

static int put_off(JSRuntime *runtime, void *opaque) {
    (void)runtime;
    struct engine *engine = opaque;
    engine->interruption_is_put_off = true;
    return 0;
}

void engine_put_interruption_off(struct engine *engine) {
    quickjs.JS_SetInterruptHandler(engine->realm->runtime, put_off, engine);
}

/* The processor time that the process has used, or up to a reading's age more. */
static int64_t time_used(struct engine *engine, int64_t now) {
    if (now - engine->read_at >= READING_NANOSECONDS) {
        engine->read_at = now;
        engine->read = clock_now(CLOCK_PROCESS_CPUTIME_ID);
    }
    return engine->read + (now - engine->read_at);
}

static int64_t nanoseconds(double seconds) {
    /* Some 30 years; more would not fit. */
    double bounded = seconds < 0 ? 0 : seconds > 1e9 ? 1e9 : seconds;
    return (int64_t)(bounded * NANOSECONDS);
}

void engine_limit_time(struct engine *engine, double seconds, double wall_seconds) {
    engine->interrupted = engine->interruption_is_put_off = false;
    engine->interruptions_thrown = 0;
    int64_t now = clock_now(CLOCK_MONOTONIC);
    engine->ends = time_used(engine, now) + nanoseconds(seconds);
    engine->ends_at = now + nanoseconds(wall_seconds);
}

void engine_limit_memory(struct engine *engine, size_t bytes) {
    size_t extent = engine->images == NULL ? 0 : images_base_extent(engine->images);
    size_t room = arena_room(engine->arena);
    engine->room_is_least = extent > room || bytes > room - extent;
    arena_limit(engine->arena, engine->room_is_least ? room : extent + bytes);
}

static void touch_heap(struct engine *engine) {
    if (engine->images != NULL) {
        images_touch(engine->images);
    }
}

/* The stack that a script may use begins here. Whatever is called then, and whenever, is gone before the next run. */
static void enter(struct engine *engine) {
    touch_heap(engine);
    quickjs.JS_UpdateStackTop(engine->realm->runtime);
}

static void heap_is_full(void *opaque) {
    leave_from_within(opaque, HEAP_FULL);
}

/* Whether the engine was left in what follows in the same function, up to leave(): it is seen twice then. */
#define IS_LEFT(engine) ((engine)->inside = true, setjmp((engine)->outside) != 0)

static void leave(struct engine *engine) {
    engine->inside = false;
}

struct random *random_of(JSContext *context) {
    struct engine *engine = quickjs.JS_GetContextOpaque(context);
    return &engine->realm->random;
}

struct clock *clock_of(JSContext *context) {
    struct engine *engine = quickjs.JS_GetContextOpaque(context);
    return &engine->realm->clock;
}

/* ---- life ---- */

static bool start_runtime(struct realm *realm, const uint8_t *code, size_t bytes, const uint8_t *library,
                          size_t library_bytes, JSValue *functions) {
    JSContext *context = realm->context;
    JSValue own = quickjs.JS_NewObject(context);
    bool defined = own.tag != JS_TAG_EXCEPTION && lent_define(context, own, library, library_bytes);
    JSValue made = defined ? bytecode_evaluate(context, code, bytes) : UNDEFINED;
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

static bool make_realm(struct engine *engine, size_t stack_bytes) {
    JSRuntime *runtime = quickjs.JS_NewRuntime2(&arena_functions, engine->arena);
    JSContext *context = runtime == NULL ? NULL : quickjs.JS_NewContext(runtime);
    struct realm *realm = context == NULL ? NULL : quickjs.js_mallocz(context, sizeof *realm);
    if (realm == NULL) {
        return false;
    }
    realm->runtime = runtime;
    realm->context = context;
    engine->realm = realm;
    quickjs.JS_SetContextOpaque(context, engine);
    quickjs.JS_SetMaxStackSize(runtime, stack_bytes);
    quickjs.JS_SetInterruptHandler(runtime, interrupt, engine);
    quickjs.JS_SetHostPromiseRejectionTracker(runtime, rejections_track, &realm->rejections);
    enter(engine);
    modules_open(&realm->modules, context);
    random_seed(&realm->random, 0);
    return author_stack_open(&realm->stack, context, stack_bytes) && random_open(context) &&
           clock_open(&realm->clock, context) && writer_classes_find(&realm->classes, context);
}

bool engine_open(struct engine *engine, size_t room, size_t stack_bytes, const uint8_t *code, size_t code_bytes,
                 const char *const *names, unsigned count, const uint8_t *library, size_t library_bytes) {
    *engine = (struct engine){.ends = INT64_MAX, .ends_at = INT64_MAX, .arena = arena_new(room)};
    if (engine->arena == NULL) {
        return false;
    }
    arena_on_exhausted(engine->arena, heap_is_full, engine);
    if (IS_LEFT(engine)) {
        engine_close(engine);
        return false;
    }
    JSValue functions = UNDEFINED;
    bool opened = make_realm(engine, stack_bytes) &&
                  start_runtime(engine->realm, code, code_bytes, library, library_bytes, &functions) &&
                  find_functions(engine->realm, functions, names, count);
    if (opened) {
        quickjs.JS_FreeValue(engine->realm->context, functions);
    }
    leave(engine);
    if (!opened) {
        engine_close(engine);
    }
    return opened;
}

/* What a run may allocate before it is looked for garbage, beyond what its program has. */
enum { GARBAGE_BYTES = 256 * 1024 };

/* Names that a run may have which its program has not. */
enum { NAMES_EXPECTED = 128 };

/* The engine has a table of all names, one block that it makes half as large again where it is full: of a run in which it
 * does that, the image would be 10 KB larger. */
static void expect_new_names(struct engine *engine) {
    JSContext *context = engine->realm->context;
    JSAtom atoms[NAMES_EXPECTED];
    unsigned made = 0;
    for (; made < NAMES_EXPECTED; made++) {
        char name[24];
        int length = snprintf(name, sizeof name, "a name to come %u", made);
        atoms[made] = quickjs.JS_NewAtomLen(context, name, (size_t)length);
        if (atoms[made] == JS_ATOM_NULL) {
            quickjs.JS_FreeValue(context, quickjs.JS_GetException(context));
            break;
        }
    }
    while (made > 0) {
        quickjs.JS_FreeAtom(context, atoms[--made]);
    }
}

bool engine_make_base(struct engine *engine, const uint8_t key[SEAL_KEY_BYTES]) {
    quickjs.JS_RunGC(engine->realm->runtime);
    expect_new_names(engine);
    /* Of the key, from which it tells nothing. */
    static const uint8_t USE[] = "random bytes";
    struct digest digest;
    digest_begin(&digest, DIGEST_SHA256);
    digest_add(&digest, USE, sizeof USE);
    digest_add(&digest, key, SEAL_KEY_BYTES);
    uint8_t secret[DIGEST_BYTES_MOST];
    digest_end(&digest, secret);
    memcpy(engine->secret, secret, sizeof engine->secret);
    stack_words_find(&engine->stack_words, engine->realm->runtime);
    stack_words_clear(&engine->stack_words);
    engine->images = images_new(engine->arena, key);
    return engine->images != NULL;
}

enum image_result engine_take(struct engine *engine, size_t most, size_t *bytes) {
    stack_words_clear(&engine->stack_words);
    return images_take(engine->images, most, bytes);
}

/* The engine walks its whole heap for garbage once it has so much, 256 KB unless it is told: where what is loaded comes
 * near that, it would do so in each run anew, for 20 us and a thousand words that differ then. */
static void expect_no_garbage_at_once(struct engine *engine) {
    JSRuntime *runtime = engine->realm->runtime;
    size_t bytes = arena_extent(engine->arena) + GARBAGE_BYTES;
    if (quickjs.JS_GetGCThreshold(runtime) < bytes) {
        quickjs.JS_SetGCThreshold(runtime, bytes);
    }
}

enum image_result engine_take_layer(struct engine *engine, struct image_context context, struct layer **layer) {
    expect_no_garbage_at_once(engine);
    expect_new_names(engine);
    stack_words_clear(&engine->stack_words);
    return images_take_layer(engine->images, context, layer);
}

void engine_set_clock(struct engine *engine, double milliseconds) {
    touch_heap(engine);
    clock_set(&engine->realm->clock, milliseconds);
}

struct output *engine_begin_output(struct engine *engine) {
    struct unfinished *begun = calloc(1, sizeof *begun);
    if (begun == NULL) {
        return NULL;
    }
    begun->outer = engine->unfinished;
    engine->unfinished = begun;
    return &begun->output;
}

void engine_end_output(struct engine *engine) {
    struct unfinished *ended = engine->unfinished;
    engine->unfinished = ended->outer;
    output_clear(&ended->output);
    free(ended);
}

static void end_outputs(struct engine *engine) {
    while (engine->unfinished != NULL) {
        engine_end_output(engine);
    }
}

void engine_forget_run(struct engine *engine) {
    end_outputs(engine);
    engine->ended = engine->lost_value = false;
    output_clear(&engine->result);
    output_clear(&engine->text);
    output_clear(&engine->calls.elements);
    output_clear(&engine->lines.elements);
    engine->calls.count = engine->lines.count = 0;
}

/* What is in the heap goes with it. */
void engine_close(struct engine *engine) {
    engine_forget_run(engine);
    images_delete(engine->images);
    packages_clear(&engine->packages);
    arena_delete(engine->arena);
    *engine = (struct engine){0};
}

/* ---- calls ---- */

static void say(struct engine *engine, char tag, const char *text, size_t length) {
    engine->tag = tag;
    engine->text.length = 0;
    uint8_t *at = length == 0 ? NULL : output_room(&engine->text, length);
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

/* Of the worker where its memory is the limit, and not the program's own. */
static void say_out_of_memory(struct engine *engine, bool of_worker) {
    static const char OF_WORKER[] = "worker";
    say(engine, 'M', OF_WORKER, of_worker ? sizeof OF_WORKER - 1 : 0);
}

static void say_left(struct engine *engine) {
    leave(engine);
    end_outputs(engine);
    engine->ended = true;
    engine->input = NULL;
    switch (engine->left) {
    case HEAP_FULL:
        say_out_of_memory(engine, engine->room_is_least);
        break;
    case TIME_OVER:
        say(engine, 'T', "", 0);
        break;
    case STOPPED:
        break;
    }
}

void engine_meet_interruption(struct engine *engine, const char *stack, size_t length) {
    quickjs.JS_SetInterruptHandler(engine->realm->runtime, interrupt, engine);
    if (engine->interruption_is_put_off) {
        engine->interruption_is_put_off = false;
        if (engine_time_is_over(engine)) {
            say(engine, 'T', stack, length < STACK_BYTES_TOLD ? length : STACK_BYTES_TOLD);
            leave_from_within(engine, STOPPED);
        }
    }
}

void engine_stop(struct engine *engine, const char *told, size_t length) {
    say(engine, told[0], told + 1, length - 1);
    leave_from_within(engine, STOPPED);
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
    if (engine->tag == 'M') {
        /* A full heap leaves no JavaScript to say so: it was the process that had none for what goes out. */
        say_out_of_memory(engine, true);
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

static void call(struct engine *engine, unsigned function, const struct argument *arguments, unsigned count,
                 const uint8_t *input, size_t input_bytes) {
    struct realm *realm = engine->realm;
    JSContext *context = realm->context;
    JSValue values[ARGUMENTS_MOST];
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

void engine_call(struct engine *engine, unsigned function, const struct argument *arguments, unsigned count,
                 const uint8_t *input, size_t input_bytes) {
    if (engine->ended) {
        return;
    }
    if (IS_LEFT(engine)) {
        say_left(engine);
        return;
    }
    call(engine, function, arguments, count, input, input_bytes);
    leave(engine);
}

static bool hand(struct engine *engine, unsigned function, const uint8_t *code, size_t code_bytes) {
    JSContext *context = engine->realm->context;
    enter(engine);
    JSValue value = bytecode_evaluate(context, code, code_bytes);
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

bool engine_hand(struct engine *engine, unsigned function, const uint8_t *code, size_t code_bytes) {
    if (IS_LEFT(engine)) {
        say_left(engine);
        return false;
    }
    bool handed = hand(engine, function, code, code_bytes);
    leave(engine);
    return handed;
}

bool engine_has_jobs(const struct engine *engine) {
    return quickjs.JS_IsJobPending(engine->realm->runtime);
}

/* A reaction throws where its derived promise is of an author's class, and what that class has for a resolve throws. */
static bool tell_failed_job(struct engine *engine, unsigned failed) {
    JSContext *context = engine->realm->context;
    if (engine->interrupted) {
        return false;
    }
    JSValue error = quickjs.JS_GetException(context);
    JSValue told = quickjs.JS_Call(context, engine->realm->functions[failed], UNDEFINED, 1, &error);
    quickjs.JS_FreeValue(context, error);
    quickjs.JS_FreeValue(context, told);
    return told.tag != JS_TAG_EXCEPTION;
}

static unsigned run_jobs(struct engine *engine, unsigned most, unsigned failed) {
    unsigned count = 0;
    enter(engine);
    /* By their number alone: what a look at the clock breaks off, the same run would not break off at the same place. */
    while (count < most) {
        JSContext *context;
        int ran = quickjs.JS_ExecutePendingJob(engine->realm->runtime, &context);
        if (ran == 0) {
            break;
        }
        count++;
        if (ran < 0 && !tell_failed_job(engine, failed)) {
            say_ended(engine);
            engine->ended = true;
            break;
        }
    }
    return count;
}

unsigned engine_run_jobs(struct engine *engine, unsigned most, unsigned failed) {
    if (engine->ended) {
        return 0;
    }
    if (IS_LEFT(engine)) {
        say_left(engine);
        return 1;
    }
    unsigned count = run_jobs(engine, most, failed);
    leave(engine);
    return count;
}

static bool tell_rejection(struct engine *engine, unsigned place, unsigned function) {
    struct realm *realm = engine->realm;
    JSContext *context = realm->context;
    JSValue reason;
    if (!rejections_take(&realm->rejections, context, place, &reason)) {
        return false;
    }
    enter(engine);
    JSValue told = quickjs.JS_Call(context, realm->functions[function], UNDEFINED, 1, &reason);
    quickjs.JS_FreeValue(context, reason);
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

bool engine_tell_rejection(struct engine *engine, unsigned place, unsigned function) {
    if (engine->ended) {
        return false;
    }
    if (IS_LEFT(engine)) {
        say_left(engine);
        return false;
    }
    bool told = tell_rejection(engine, place, function);
    leave(engine);
    return told;
}
