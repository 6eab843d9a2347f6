#include "cryptography.h"

#include <string.h>

#include "digest.h"
#include "engine.h"

#define BLOCK_BYTES 64
/* Between two looks at the clock: some milliseconds. */
#define PART_BYTES (1 << 20)

static const JSValue UNDEFINED = {.tag = JS_TAG_UNDEFINED};
static const JSValue EXCEPTION = {.tag = JS_TAG_EXCEPTION};

static struct engine *engine_of(JSContext *context) {
    return quickjs.JS_GetContextOpaque(context);
}

static uint32_t rotated(uint32_t value, int bits) {
    return value << bits | value >> (32 - bits);
}

static void quarter_round(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d) {
    x[a] += x[b], x[d] = rotated(x[d] ^ x[a], 16);
    x[c] += x[d], x[b] = rotated(x[b] ^ x[c], 12);
    x[a] += x[b], x[d] = rotated(x[d] ^ x[a], 8);
    x[c] += x[d], x[b] = rotated(x[b] ^ x[c], 7);
}

static uint32_t read_little(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void make_block(const uint8_t secret[SECRET_BYTES], uint64_t seed, uint32_t moment, uint32_t number,
                       uint8_t block[BLOCK_BYTES]) {
    /* "expand 32-byte k", the key, the number of the block, the nonce. */
    uint32_t begin[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    for (unsigned index = 0; index < 8; index++) {
        begin[4 + index] = read_little(secret + 4 * index);
    }
    begin[12] = number;
    begin[13] = moment;
    begin[14] = (uint32_t)seed;
    begin[15] = (uint32_t)(seed >> 32);
    uint32_t x[16];
    memcpy(x, begin, sizeof x);
    for (unsigned round = 0; round < 10; round++) {
        quarter_round(x, 0, 4, 8, 12);
        quarter_round(x, 1, 5, 9, 13);
        quarter_round(x, 2, 6, 10, 14);
        quarter_round(x, 3, 7, 11, 15);
        quarter_round(x, 0, 5, 10, 15);
        quarter_round(x, 1, 6, 11, 12);
        quarter_round(x, 2, 7, 8, 13);
        quarter_round(x, 3, 4, 9, 14);
    }
    for (unsigned index = 0; index < 16; index++) {
        uint32_t word = x[index] + begin[index];
        for (unsigned byte = 0; byte < 4; byte++) {
            block[4 * index + byte] = (uint8_t)(word >> 8 * byte);
        }
    }
}

void cryptography_stream(const uint8_t secret[SECRET_BYTES], uint64_t seed, uint32_t moment, uint64_t place,
                         uint8_t *bytes, size_t count) {
    uint8_t block[BLOCK_BYTES];
    for (size_t index = 0; index < count; index++, place++) {
        if (index == 0 || place % BLOCK_BYTES == 0) {
            make_block(secret, seed, moment, (uint32_t)(place / BLOCK_BYTES), block);
        }
        bytes[index] = block[place % BLOCK_BYTES];
    }
}

JSValue cryptography_fill(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    size_t bytes;
    uint8_t *at = quickjs.JS_GetUint8Array(context, &bytes, arguments[0]);
    if (at == NULL) {
        return EXCEPTION;
    }
    struct engine *engine = engine_of(context);
    struct random *random = &engine->realm->random;
    const uint8_t *secret = random->has_key ? random->key : engine->secret;
    cryptography_stream(secret, random->seed, random->moment, random->used, at, bytes);
    random->used += bytes;
    return UNDEFINED;
}

static bool is_over(JSContext *context) {
    if (!engine_time_may_be_over(engine_of(context))) {
        return false;
    }
    quickjs.JS_ThrowInternalError(context, "interrupted");
    JSValue error = quickjs.JS_GetException(context);
    quickjs.JS_SetUncatchableError(context, error);
    quickjs.JS_Throw(context, error);
    return true;
}

JSValue cryptography_digest(JSContext *context, JSValueConst this, int count, JSValueConst *arguments) {
    (void)this;
    (void)count;
    enum digest_algorithm algorithm;
    const char *name = quickjs.JS_ToCStringLen2(context, NULL, arguments[0], false);
    if (name == NULL) {
        return EXCEPTION;
    }
    bool known = digest_named(name, &algorithm);
    quickjs.JS_FreeCString(context, name);
    size_t bytes;
    const uint8_t *data = known ? quickjs.JS_GetUint8Array(context, &bytes, arguments[1]) : NULL;
    if (data == NULL) {
        return known ? EXCEPTION : UNDEFINED;
    }
    struct digest digest;
    digest_begin(&digest, algorithm);
    while (bytes > 0) {
        size_t part = bytes < PART_BYTES ? bytes : PART_BYTES;
        digest_add(&digest, data, part);
        data += part;
        bytes -= part;
        if (bytes > 0 && is_over(context)) {
            return EXCEPTION;
        }
    }
    uint8_t result[DIGEST_BYTES_MOST];
    size_t length = digest_end(&digest, result);
    return quickjs.JS_NewArrayBufferCopy(context, result, length);
}
