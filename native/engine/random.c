#include "random.h"

#include <string.h>

static uint64_t rotated(uint64_t value, int bits) {
    return value << bits | value >> (64 - bits);
}

static uint64_t next(uint64_t state[4]) {
    uint64_t result = rotated(state[0] + state[3], 23) + state[0];
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotated(state[3], 45);
    return result;
}

void random_seed(struct random *random, uint64_t seed) {
    random->seed = seed;
    random->moment = 0;
    random->used = 0;
    random->has_key = false;
    memset(random->key, 0, sizeof random->key);
    /* SplitMix64, as its authors say to fill the state: it is never all zeros. */
    for (unsigned index = 0; index < 4; index++) {
        seed += UINT64_C(0x9e3779b97f4a7c15);
        uint64_t mixed = (seed ^ seed >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        mixed = (mixed ^ mixed >> 27) * UINT64_C(0x94d049bb133111eb);
        random->state[index] = mixed ^ mixed >> 31;
    }
}

static JSValue math_random(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    (void)arguments;
    /* 53 bits, as many as a number has. */
    double number = (double)(next(random_of(context)->state) >> 11) * 0x1p-53;
    return (JSValue){.float64 = number, .tag = JS_TAG_FLOAT64};
}

bool random_open(JSContext *context) {
    JSValue realm = quickjs.JS_GetGlobalObject(context);
    JSValue math = quickjs.JS_GetPropertyStr(context, realm, "Math");
    JSValue function = quickjs.JS_NewCFunction2(context, math_random, "random", 0, JS_CFUNC_GENERIC, 0);
    bool opened = function.tag == JS_TAG_OBJECT;
    if (opened) {
        /* Writable, configurable and not enumerable, as it was: the property is there already. */
        opened = quickjs.JS_SetPropertyStr(context, math, "random", function) >= 0;
    }
    quickjs.JS_FreeValue(context, math);
    quickjs.JS_FreeValue(context, realm);
    return opened;
}
