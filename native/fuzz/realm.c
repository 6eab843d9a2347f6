#include "realm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 0.005
/* Of a script: a quarter of what the engine is given, since a stack is written with more. */
#define STACK_BYTES (1024 * 1024)
#define DIVIDER 0xff

/* What runtime/intrinsics.js does as well. */
static const char HIDE[] =
    "for (const name of ['prepareStackTrace', 'stackTraceLimit'])\n"
    "  Object.defineProperty(Error, name, { value: name === 'stackTraceLimit' ? 10 : undefined,\n"
    "    writable: false, configurable: false });\n";

static bool open_realm(struct realm *realm) {
    JSContext *context = realm->context;
    return author_stack_open(&realm->stack, context, STACK_BYTES) && random_open(context) &&
           clock_open(&realm->clock, context);
}

static void heap_is_full(void *opaque) {
    struct engine *engine = opaque;
    if (engine->inside) {
        longjmp(engine->outside, 1);
    }
}

void fuzzed_realm_open(struct fuzzed_realm *opened, size_t memory_bytes) {
    fuzzed_engine_open(&opened->fuzzed, SIZE_MAX / 2);
    opened->realm = (struct realm){.runtime = opened->fuzzed.runtime, .context = opened->fuzzed.context};
    opened->engine = (struct engine){.realm = &opened->realm};
    JSContext *context = opened->realm.context;
    quickjs.JS_SetContextOpaque(context, &opened->engine);
    random_seed(&opened->realm.random, 0);
    clock_begin(&opened->realm.clock, 0);
    REQUIRE(open_realm(&opened->realm));
    JSValue hidden = quickjs.JS_Eval(context, HIDE, sizeof HIDE - 1, "<input>", 0);
    REQUIRE(hidden.tag != JS_TAG_EXCEPTION);
    quickjs.JS_FreeValue(context, hidden);
    quickjs.JS_SetMaxStackSize(opened->realm.runtime, STACK_BYTES);
    engine_limit_time(&opened->engine, SECONDS, SECONDS * 50);
    /* It puts the engine's own interruption in place. */
    engine_meet_interruption(&opened->engine, "", 0);
    opened->fuzzed.allocator.refusal = heap_is_full;
    opened->fuzzed.allocator.opaque = &opened->engine;
    opened->fuzzed.allocator.most = opened->fuzzed.allocator.used + memory_bytes;
}

void fuzzed_realm_close(struct fuzzed_realm *opened) {
    packages_clear(&opened->engine.packages);
    output_clear(&opened->engine.text);
    allocator_clear(&opened->fuzzed.allocator);
}

void parts_make(struct parts *parts, const uint8_t *bytes, size_t length) {
    parts->count = 0;
    while (length > 0 && parts->count < PARTS_MOST) {
        const uint8_t *divider = memchr(bytes, DIVIDER, length);
        size_t own = divider == NULL ? length : (size_t)(divider - bytes);
        struct part *part = &parts->of[parts->count++];
        *part = (struct part){.text = malloc(own + 1), .length = own};
        REQUIRE(part->text != NULL);
        memcpy(part->text, bytes, own);
        part->text[own] = '\0';
        size_t read = own + (divider != NULL);
        bytes += read;
        length -= read;
    }
}

void parts_free(struct parts *parts) {
    while (parts->count > 0) {
        free(parts->of[--parts->count].text);
    }
}
