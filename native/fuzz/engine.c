#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Sixteen times what a worker gives: the sanitizers make frames larger. */
#define STACK_BYTES (4 * 1024 * 1024)

void fuzzed_library_load(void) {
    char message[8192];
    if (!engine_library_load(FUZZED_LIBRARY, message, sizeof message)) {
        fprintf(stderr, "%s\n", message);
        exit(1);
    }
}

void fuzzed_engine_open(struct fuzzed_engine *engine, size_t memory_bytes) {
    memset(engine, 0, sizeof *engine);
    engine->allocator.most = SIZE_MAX;
    engine->runtime = quickjs.JS_NewRuntime2(&allocator_functions, &engine->allocator);
    REQUIRE(engine->runtime != NULL);
    quickjs.JS_SetMaxStackSize(engine->runtime, STACK_BYTES);
    quickjs.JS_UpdateStackTop(engine->runtime);
    engine->context = quickjs.JS_NewContext(engine->runtime);
    REQUIRE(engine->context != NULL);
    REQUIRE(writer_classes_find(&engine->classes, engine->context));
    engine->allocator.most = engine->allocator.used + memory_bytes;
}

void fuzzed_engine_close(struct fuzzed_engine *engine) {
    keys_clear(&engine->keys, engine->context);
    writer_classes_free(&engine->classes, engine->context);
    output_clear(&engine->output);
    quickjs.JS_FreeContext(engine->context);
    quickjs.JS_FreeRuntime(engine->runtime);
    /* Where there was no memory left, functions of the language leave some behind; a worker goes on with none of it. */
    REQUIRE(engine->allocator.used == 0 || engine->allocator.refused);
    allocator_clear(&engine->allocator);
}

void fuzzed_engine_forget_error(struct fuzzed_engine *engine) {
    quickjs.JS_FreeValue(engine->context, quickjs.JS_GetException(engine->context));
}

enum written fuzzed_engine_write(struct fuzzed_engine *engine, JSValueConst value, size_t most,
                                 bool (*interrupted)(void *opaque)) {
    output_clear(&engine->output);
    struct writer writer = {
        .context = engine->context,
        .keys = &engine->keys,
        .classes = &engine->classes,
        .output = &engine->output,
        .most = most,
        .interrupted = interrupted,
    };
    return writer_write(&writer, value);
}
