/* The keys of objects that an engine has read and written lately: finding the engine's atom for a key, or the bytes of an
 * atom, takes longer than all else about a short property. Bounded; a key takes the place of another with its number. */
#ifndef ENGINE_KEYS_H
#define ENGINE_KEYS_H

#include "library.h"

#define KEYS_CACHED 128
#define KEY_BYTES 40
/* A key as MessagePack: a head of at most two bytes, and its text. */
#define KEY_ENCODED_BYTES (KEY_BYTES + 2)

struct key_read {
    uint64_t hash;
    JSAtom atom;
    uint8_t length;
    char text[KEY_BYTES];
};

struct key_written {
    JSAtom atom;
    uint8_t length;
    uint8_t encoded[KEY_ENCODED_BYTES];
};

struct keys {
    struct key_read read[KEYS_CACHED];
    struct key_written written[KEYS_CACHED];
};

/* The atom of a key in UTF-8, which the caller frees; 0 with an exception of the engine's. */
JSAtom keys_atom(struct keys *keys, JSContext *context, const char *text, size_t length);

/* The MessagePack of an atom, if it is cached. */
static inline const struct key_written *keys_encoded(const struct keys *keys, JSAtom atom) {
    const struct key_written *entry = &keys->written[atom % KEYS_CACHED];
    return entry->atom == atom ? entry : NULL;
}

/* Keeps the MessagePack of an atom, if it is short enough. */
void keys_keep(struct keys *keys, JSContext *context, JSAtom atom, const uint8_t *encoded, size_t length);

/* Lets go of all atoms. */
void keys_clear(struct keys *keys, JSContext *context);

#endif
