/* What our own JavaScript in an engine is lent of this side: to read its input and to write what comes out. Only the runtime
 * has these functions, and no author's code. */
#ifndef ENGINE_LENT_H
#define ENGINE_LENT_H

#include "library.h"

/* Gives an object the functions read, write, lostValue, addCall, addLine and stop, those of modules.h, packages.h and
 * cryptography.h, and `library` as an ArrayBuffer where it is not NULL. They find their engine as the context's opaque pointer. False with
 * an exception. */
bool lent_define(JSContext *context, JSValueConst object, const uint8_t *library, size_t library_bytes);

#endif
