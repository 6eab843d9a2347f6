#include "packages.h"

#include <stdlib.h>
#include <string.h>

#include "bytecode.h"
#include "engine.h"

struct package {
    struct package *next;
    char *key;
    char *text; /* NULL once it is compiled */
    size_t length;
    uint8_t *code; /* NULL until then */
    size_t code_bytes;
};

static char *copy_of(const char *text, size_t length) {
    char *copy = malloc(length + 1);
    if (copy != NULL) {
        memcpy(copy, text, length);
        copy[length] = '\0'; /* as the engine's parser wants it */
    }
    return copy;
}

static void release(struct package *one) {
    free(one->key);
    free(one->text);
    free(one->code);
    free(one);
}

static struct package *find(const struct packages *packages, const char *key) {
    struct package *one = packages->first;
    while (one != NULL && strcmp(one->key, key) != 0) {
        one = one->next;
    }
    return one;
}

bool packages_keep(struct packages *packages, const char *key, const char *text, size_t length) {
    if (find(packages, key) != NULL) {
        return true;
    }
    struct package *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return false;
    }
    one->key = copy_of(key, strlen(key));
    one->text = copy_of(text, length);
    one->length = length;
    if (one->key == NULL || one->text == NULL) {
        release(one);
        return false;
    }
    one->next = packages->first;
    packages->first = one;
    return true;
}

void packages_clear(struct packages *packages) {
    while (packages->first != NULL) {
        struct package *one = packages->first;
        packages->first = one->next;
        release(one);
    }
}

/* In an engine of its own, whose heap is not a script's. False where it is no JavaScript, or there is no memory. */
static bool compile(struct package *one) {
    char message[MESSAGE_BYTES_TOLD];
    one->code = bytecode_compile(one->text, one->length, &one->code_bytes, message, sizeof message);
    if (one->code == NULL) {
        return false;
    }
    free(one->text);
    one->text = NULL;
    return true;
}

JSValue packages_evaluate(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    const char *key = quickjs.JS_ToCStringLen2(context, NULL, arguments[0], false);
    if (key == NULL) {
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    }
    struct engine *engine = quickjs.JS_GetContextOpaque(context);
    struct package *one = find(&engine->packages, key);
    quickjs.JS_FreeCString(context, key);
    if (one == NULL) {
        return (JSValue){.tag = JS_TAG_UNDEFINED};
    }
    if (one->code == NULL && !compile(one)) {
        /* Whoever asks for it is told what is wrong with it. */
        return quickjs.JS_Eval(context, one->text, one->length, "<input>", 0);
    }
    return bytecode_evaluate(context, one->code, one->code_bytes);
}

JSValue packages_witness(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    (void)arguments;
    const struct random *random = random_of(context);
    /* Each of these changes, the clock by 50 and the state to what is nowhere near it. */
    uint64_t seen = (uint64_t)clock_of(context)->now + random->state[0] + random->used * UINT64_C(0x9e3779b97f4a7c15);
    return (JSValue){.float64 = (double)(seen & UINT64_C(0xfffffffffffff)), .tag = JS_TAG_FLOAT64};
}
