#include "packages.h"

#include <stdlib.h>
#include <string.h>

#include "bytecode.h"
#include "engine.h"

struct package {
    struct package *next;
    char *key;
    uint8_t *code;
    size_t bytes;
};

static void *copy_of(const void *data, size_t bytes) {
    void *copy = malloc(bytes == 0 ? 1 : bytes);
    if (copy != NULL) {
        memcpy(copy, data, bytes);
    }
    return copy;
}

static void release(struct package *one) {
    free(one->key);
    free(one->code);
    free(one);
}

static const struct package *find(const struct packages *packages, const char *key) {
    const struct package *one = packages->first;
    while (one != NULL && strcmp(one->key, key) != 0) {
        one = one->next;
    }
    return one;
}

bool packages_keep(struct packages *packages, const char *key, const uint8_t *code, size_t bytes) {
    if (find(packages, key) != NULL) {
        return true;
    }
    struct package *one = calloc(1, sizeof *one);
    if (one == NULL) {
        return false;
    }
    one->key = copy_of(key, strlen(key) + 1);
    one->code = copy_of(code, bytes);
    one->bytes = bytes;
    if (one->key == NULL || one->code == NULL) {
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

JSValue packages_evaluate(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    const char *key = quickjs.JS_ToCStringLen2(context, NULL, arguments[0], false);
    if (key == NULL) {
        return (JSValue){.tag = JS_TAG_EXCEPTION};
    }
    struct engine *engine = quickjs.JS_GetContextOpaque(context);
    const struct package *one = find(&engine->packages, key);
    quickjs.JS_FreeCString(context, key);
    return one == NULL ? (JSValue){.tag = JS_TAG_UNDEFINED} : bytecode_evaluate(context, one->code, one->bytes);
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
