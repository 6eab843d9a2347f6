/* Bytecode of texts that many programs share, by key. It lies outside of the heap, so that it is there once for all programs and
 * in no image: the runtime has one evaluated when a program first asks for it. */
#ifndef ENGINE_PACKAGES_H
#define ENGINE_PACKAGES_H

#include <stdint.h>

#include "library.h"

struct package;

struct packages {
    struct package *first;
};

/* Keeps a copy, unless the key names one already. Bytecode is to be read from nobody but bytecode_compile. False where
 * there is no memory. */
bool packages_keep(struct packages *packages, const char *key, const uint8_t *code, size_t bytes);
void packages_clear(struct packages *packages);

/* For the runtime: evaluatePackage(key), what the bytecode gives; undefined for a key that names none. */
JSValue packages_evaluate(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
/* The same, witness(): a number that is another one once the clock has been looked at or something random was drawn. */
JSValue packages_witness(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);

#endif
