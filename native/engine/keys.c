#include "keys.h"

#include <string.h>

static uint64_t word_at(const char *text) {
    uint64_t word;
    memcpy(&word, text, sizeof word);
    return word;
}

static uint64_t half_word_at(const char *text) {
    uint32_t half;
    memcpy(&half, text, sizeof half);
    return half;
}

static uint64_t mixed(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9fb21c651e98df25);
    return hash ^ hash >> 32;
}

/* Words overlap at the end, so that none is put together of single bytes. */
static uint64_t hash_of(const char *text, size_t length) {
    uint64_t hash = length;
    if (length >= 8) {
        for (size_t at = 0; at + 8 < length; at += 8) {
            hash = mixed(hash, word_at(text + at));
        }
        return mixed(hash, word_at(text + length - 8));
    }
    if (length >= 4) {
        return mixed(hash, half_word_at(text) | half_word_at(text + length - 4) << 32);
    }
    if (length > 0) {
        uint64_t bytes =
            (uint8_t)text[0] | (uint64_t)(uint8_t)text[length / 2] << 8 | (uint64_t)(uint8_t)text[length - 1] << 16;
        return mixed(hash, bytes);
    }
    return hash;
}

static bool is_ascii(const char *text, size_t length) {
    for (size_t index = 0; index < length; index++) {
        if ((uint8_t)text[index] >= 0x80) {
            return false;
        }
    }
    return true;
}

static JSAtom made(JSContext *context, const char *text, size_t length) {
    /* JS_NewAtomLen compares UTF-8 with the bytes of texts in Latin-1, and finds another's atom. */
    if (is_ascii(text, length)) {
        return quickjs.JS_NewAtomLen(context, text, length);
    }
    JSValue value = quickjs.JS_NewStringLen(context, text, length);
    if (value.tag == JS_TAG_EXCEPTION) {
        return 0;
    }
    JSAtom atom = quickjs.JS_ValueToAtom(context, value);
    quickjs.JS_FreeValue(context, value);
    return atom;
}

JSAtom keys_atom(struct keys *keys, JSContext *context, const char *text, size_t length) {
    if (length > KEY_BYTES) {
        return made(context, text, length);
    }
    uint64_t hash = hash_of(text, length);
    struct key_read *entry = &keys->read[hash % KEYS_CACHED];
    if (entry->atom != 0 && entry->hash == hash && entry->length == length && memcmp(entry->text, text, length) == 0) {
        return quickjs.JS_DupAtom(context, entry->atom);
    }
    JSAtom atom = made(context, text, length);
    if (atom != 0) {
        JSAtom before = entry->atom;
        entry->atom = quickjs.JS_DupAtom(context, atom);
        entry->hash = hash;
        entry->length = (uint8_t)length;
        memcpy(entry->text, text, length);
        if (before != 0) {
            quickjs.JS_FreeAtom(context, before);
        }
    }
    return atom;
}

void keys_keep(struct keys *keys, JSContext *context, JSAtom atom, const uint8_t *encoded, size_t length) {
    if (length > KEY_ENCODED_BYTES) {
        return;
    }
    struct key_written *entry = &keys->written[atom % KEYS_CACHED];
    JSAtom before = entry->atom;
    /* As long as it is kept no other key has its number. */
    entry->atom = quickjs.JS_DupAtom(context, atom);
    entry->length = (uint8_t)length;
    memcpy(entry->encoded, encoded, length);
    if (before != 0) {
        quickjs.JS_FreeAtom(context, before);
    }
}

void keys_clear(struct keys *keys, JSContext *context) {
    for (size_t index = 0; index < KEYS_CACHED; index++) {
        if (keys->read[index].atom != 0) {
            quickjs.JS_FreeAtom(context, keys->read[index].atom);
        }
        if (keys->written[index].atom != 0) {
            quickjs.JS_FreeAtom(context, keys->written[index].atom);
        }
    }
    memset(keys, 0, sizeof *keys);
}
