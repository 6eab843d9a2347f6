/* Texts that programs share. The first byte is how much memory the engine may have; each part then keeps a package, as
 * `kNAME:TEXT`, or evaluates one that `eNAME` names or that the JavaScript of `vTEXT` gives. They can evaluate each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "realm.h"

#define MEMORY_BYTES (8 * 1024 * 1024)
/* What the first byte counts. */
#define LITTLE_BYTES 256

static struct fuzzed_realm opened;
static struct parts parts;

int LLVMFuzzerInitialize(int *count, char ***arguments) {
    (void)count;
    (void)arguments;
    fuzzed_library_load();
    return 0;
}

static void give(const char *name, JSCFunction *function, int parameters) {
    JSContext *context = opened.realm.context;
    JSValue global = quickjs.JS_GetGlobalObject(context);
    JSValue made = quickjs.JS_NewCFunction2(context, function, name, parameters, JS_CFUNC_GENERIC, 0);
    REQUIRE(quickjs.JS_SetPropertyStr(context, global, name, made) >= 0);
    quickjs.JS_FreeValue(context, global);
}

/* A number that is the same as long as nothing happens. */
static void look_at_witness(void) {
    JSContext *context = opened.realm.context;
    JSValue undefined = {.tag = JS_TAG_UNDEFINED};
    JSValue seen = packages_witness(context, undefined, 0, NULL);
    REQUIRE(seen.tag == JS_TAG_FLOAT64 && seen.float64 >= 0 && seen.float64 <= 0xfffffffffffff);
    REQUIRE(packages_witness(context, undefined, 0, NULL).float64 == seen.float64);
}

static void keep(const struct part *part) {
    char *colon = memchr(part->text, ':', part->length);
    if (colon == NULL) {
        return;
    }
    *colon = '\0';
    size_t read = (size_t)(colon + 1 - part->text);
    REQUIRE(packages_keep(&opened.engine.packages, part->text + 1, colon + 1, part->length - read));
}

static void evaluate(JSValue key) {
    JSContext *context = opened.realm.context;
    JSValue value = key;
    if (key.tag != JS_TAG_EXCEPTION) {
        value = packages_evaluate(context, (JSValue){.tag = JS_TAG_UNDEFINED}, 1, &key);
    }
    if (value.tag == JS_TAG_EXCEPTION) {
        fuzzed_engine_forget_error(&opened.fuzzed);
    }
    quickjs.JS_FreeValue(context, value);
    look_at_witness();
}

static void do_all(void) {
    JSContext *context = opened.realm.context;
    for (unsigned index = 0; index < parts.count; index++) {
        const struct part *part = &parts.of[index];
        switch (part->text[0]) {
        case 'k':
            keep(part);
            break;
        case 'e':
            evaluate(quickjs.JS_NewStringLen(context, part->text + 1, part->length - 1));
            break;
        case 'v':
            evaluate(quickjs.JS_Eval(context, part->text + 1, part->length - 1, "<input>", 0));
            break;
        default:
            break;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    if (length == 0) {
        return 0;
    }
    fuzzed_realm_open(&opened, MEMORY_BYTES);
    give("evaluatePackage", packages_evaluate, 1);
    give("witness", packages_witness, 0);
    parts_make(&parts, bytes + 1, length - 1);
    if (bytes[0] > 0) {
        opened.fuzzed.allocator.most = opened.fuzzed.allocator.used + (size_t)bytes[0] * LITTLE_BYTES;
    }
    opened.engine.inside = true;
    if (setjmp(opened.engine.outside) == 0) {
        do_all();
    }
    parts_free(&parts);
    fuzzed_realm_close(&opened);
    return 0;
}
