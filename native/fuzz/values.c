/* Bytes that are read as MessagePack: what they are is written, and read and written twice more, to the same
 * bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"
#include "engine/reader.h"

/* Inputs that one engine reads: keys that are cached by one are found by another. */
#define INPUTS_OF_ONE 500
#define MEMORY_BYTES (64 * 1024 * 1024)
/* What an input is read in once more: so much for each that its last byte counts. */
#define LITTLE_BYTES 64

static struct fuzzed_engine engine;
static unsigned inputs;

static bool never(void *opaque) {
    (void)opaque;
    return false;
}

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    fuzzed_library_load();
    return 0;
}

struct written_bytes {
    uint8_t *bytes; /* to be freed */
    size_t length;
};

/* Writes a value, and lets go of it. */
static struct written_bytes written(JSValue value) {
    REQUIRE(value.tag != JS_TAG_EXCEPTION);
    REQUIRE(fuzzed_engine_write(&engine, value, SIZE_MAX / 2, never) == WRITTEN);
    quickjs.JS_FreeValue(engine.context, value);
    struct written_bytes kept = {.bytes = malloc(engine.output.length), .length = engine.output.length};
    REQUIRE(kept.bytes != NULL);
    memcpy(kept.bytes, engine.output.bytes, kept.length);
    return kept;
}

static JSValue value_of(const uint8_t *bytes, size_t length) {
    return reader_read(engine.context, &engine.keys, bytes, length);
}

static void read_and_write(const uint8_t *bytes, size_t length) {
    JSValue value = value_of(bytes, length);
    if (value.tag == JS_TAG_EXCEPTION) {
        fuzzed_engine_forget_error(&engine);
        return;
    }
    struct written_bytes first = written(value);
    /* A float past 2^53 is written as an integer, and such an integer is read as text: which it is from here on. */
    struct written_bytes second = written(value_of(first.bytes, first.length));
    struct written_bytes third = written(value_of(second.bytes, second.length));
    REQUIRE(third.length == second.length && memcmp(third.bytes, second.bytes, second.length) == 0);
    free(first.bytes);
    free(second.bytes);
    free(third.bytes);
}

/* Reads where there is so much memory and no more. */
static void read_in(size_t memory_bytes, const uint8_t *bytes, size_t length) {
    engine.allocator.most = engine.allocator.used + memory_bytes;
    JSValue value = value_of(bytes, length);
    engine.allocator.most = SIZE_MAX;
    if (value.tag == JS_TAG_EXCEPTION) {
        fuzzed_engine_forget_error(&engine);
    } else {
        quickjs.JS_FreeValue(engine.context, value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (inputs++ % INPUTS_OF_ONE == 0) {
        if (engine.runtime != NULL) {
            fuzzed_engine_close(&engine);
        }
        fuzzed_engine_open(&engine, MEMORY_BYTES);
    }
    quickjs.JS_UpdateStackTop(engine.runtime);
    read_and_write(bytes, length);
    if (length > 0) {
        read_in(bytes[length - 1] * LITTLE_BYTES, bytes, length);
    }
    return 0;
}
