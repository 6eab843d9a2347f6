/* Bytecode of our own JavaScript: made once a process, and read by every engine in it. */
#ifndef ENGINE_BYTECODE_H
#define ENGINE_BYTECODE_H

#include "library.h"

/* The bytecode of a script, in memory of malloc's; NULL where it cannot be compiled, with the reason in `message`. */
uint8_t *bytecode_compile(const char *text, size_t length, size_t *code_bytes, char *message, size_t message_bytes);

/* The value that bytecode gives. It is to be read from nobody else: it is believed. */
JSValue bytecode_evaluate(JSContext *context, const uint8_t *code, size_t code_bytes);

#endif
