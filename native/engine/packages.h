/* Texts that many programs share, by key. Each is compiled when a program first asks for it, and its bytecode lies outside of the
 * heap: it is there once for all programs, and in no image. */
#ifndef ENGINE_PACKAGES_H
#define ENGINE_PACKAGES_H

#include <stdint.h>

#include "library.h"

struct package;

struct packages {
    struct package *first;
};

/* Keeps a copy, unless the key names one already. False where there is no memory. */
bool packages_keep(struct packages *packages, const char *key, const char *text, size_t length);
void packages_clear(struct packages *packages);

/* For the runtime: evaluatePackage(key), what the text gives; undefined for a key that names none. To compile one takes some ten
 * milliseconds for each 100 kB, in which nothing interrupts it. */
JSValue packages_evaluate(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);
/* The same, witness(): a number that is another one once the clock has been looked at or something random was drawn. */
JSValue packages_witness(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);

#endif
