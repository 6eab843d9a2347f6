/* The text of a JavaScript expression, evaluated and written: whatever its getters, its toJSON and its proxies do. What
 * was written can be read. How long the text is says how much may be written. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "engine.h"
#include "engine/reader.h"

#define MEMORY_BYTES (8 * 1024 * 1024)
#define RESULT_BYTES (256 * 1024)
#define NANOSECONDS 1000000000
#define TIME_NANOSECONDS (NANOSECONDS / 50)

static int64_t ends;

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (int64_t)time.tv_sec * NANOSECONDS + time.tv_nsec;
}

static bool interrupted(void *opaque) {
    (void)opaque;
    return now() >= ends;
}

static int interrupt(JSRuntime *runtime, void *opaque) {
    (void)runtime;
    return interrupted(opaque);
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    fuzzed_library_load();
    return 0;
}

static void write_value(struct fuzzed_engine *engine, JSValueConst value, size_t length) {
    size_t most = length % 2 == 0 ? RESULT_BYTES : RESULT_BYTES >> length / 2 % 19;
    switch (fuzzed_engine_write(engine, value, most, interrupted)) {
    case WRITTEN: {
        REQUIRE(engine->output.length <= most);
        ends = INT64_MAX;
        engine->allocator.most = SIZE_MAX;
        JSValue again = reader_read(engine->context, &engine->keys, engine->output.bytes, engine->output.length);
        REQUIRE(again.tag != JS_TAG_EXCEPTION);
        quickjs.JS_FreeValue(engine->context, again);
        break;
    }
    case FAILED:
        fuzzed_engine_forget_error(engine);
        break;
    case LEFT_OUT:
    case EXCEEDED:
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    char *text = malloc(length + 1);
    REQUIRE(text != NULL);
    if (length > 0) {
        __builtin_memcpy(text, bytes, length);
    }
    text[length] = 0;
    struct fuzzed_engine engine;
    fuzzed_engine_open(&engine, MEMORY_BYTES);
    quickjs.JS_SetInterruptHandler(engine.runtime, interrupt, NULL);
    ends = now() + TIME_NANOSECONDS;
    JSValue value = quickjs.JS_Eval(engine.context, text, length, "fuzzed", 0);
    if (value.tag == JS_TAG_EXCEPTION) {
        fuzzed_engine_forget_error(&engine);
    } else {
        write_value(&engine, value, length);
        quickjs.JS_FreeValue(engine.context, value);
    }
    fuzzed_engine_close(&engine);
    free(text);
    return 0;
}
