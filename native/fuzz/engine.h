/* One engine for a fuzz target: the library of the wheel, a runtime whose memory and stack are bounded as those of a worker
 * are, and what reader and writer need. */
#ifndef FUZZ_ENGINE_H
#define FUZZ_ENGINE_H

#include "allocator.h"
#include "engine/keys.h"
#include "engine/output.h"
#include "engine/writer.h"

struct fuzzed_engine {
    struct allocator allocator;
    JSRuntime *runtime;
    JSContext *context;
    struct keys keys;
    struct writer_classes classes;
    struct output output;
};

/* Loads the library that .ci/fuzz names at compilation; ends the process where it cannot. */
void fuzzed_library_load(void);

void fuzzed_engine_open(struct fuzzed_engine *engine, size_t memory_bytes);
void fuzzed_engine_close(struct fuzzed_engine *engine);

/* What has been thrown is let go of. */
void fuzzed_engine_forget_error(struct fuzzed_engine *engine);

/* Writes a value after emptying the output; `interrupted` says when it is to be given up. */
enum written fuzzed_engine_write(struct fuzzed_engine *engine, JSValueConst value, size_t most,
                                 bool (*interrupted)(void *opaque));

/* Ends the process, for libFuzzer to keep the input. */
#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                                    \
            abort();                                                                                                   \
        }                                                                                                              \
    } while (0)

#endif
