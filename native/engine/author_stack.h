/* Stacks of errors as their author reads them: the places of his own files, with columns in characters, and what he called
 * of the language's own between them. The engine's have the functions of our own JavaScript besides, without a file, and
 * count bytes. */
#ifndef ENGINE_AUTHOR_STACK_H
#define ENGINE_AUTHOR_STACK_H

#include "library.h"

/* A file whose places are told; the lines of it that have characters outside ASCII follow it, one record each. */
struct author_file;

/* What is asked of a frame. */
enum { FRAME_FILE, FRAME_FUNCTION, FRAME_CALLED, FRAME_LINE, FRAME_COLUMN, FRAME_IS_NATIVE, FRAME_QUESTIONS };

struct author_stack {
    struct author_file *files;
    JSValue questions[FRAME_QUESTIONS];
    size_t stack_bytes; /* of a script; a stack is written with more, or one that is used up would have no places */
};

/* Has the engine ask here for the stack of each error. False where there is no memory for it. */
bool author_stack_open(struct author_stack *stack, JSContext *context, size_t stack_bytes);

/* Notes a file that is about to be compiled, whose text begins on line `line`. Places of its name are told from then on,
 * and none of any other. False where there is no memory for it. */
bool author_stack_add(JSContext *context, const char *name, const char *text, size_t length, int line);

#endif
