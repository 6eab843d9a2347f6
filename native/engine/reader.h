/* MessagePack to values of the engine's, as JSON.parse makes them of JSON. What JSON cannot say: an integer that a
 * JavaScript number does not hold exactly becomes the text of its digits, and a key that is a number the text of it;
 * NaN, infinity, binary, extensions, timestamps and keys of any other kind are errors. */
#ifndef ENGINE_READER_H
#define ENGINE_READER_H

#include "keys.h"

/* How deep arrays and maps may lie in each other, both ways; JSON.stringify came to 993 on the stack that runs have.
 * Reader and writer take up to some 500 bytes of the process's own stack for each, beyond what scripts may have of it:
 * whatever a getter or toJSON calls while a value is written is held to the script's. */
#define NESTING_MOST 1000

/* The one value that `bytes` are; an exception, SyntaxError where they are no such value. */
JSValue reader_read(JSContext *context, struct keys *keys, const uint8_t *bytes, size_t length);

#endif
