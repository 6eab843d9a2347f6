/* Words in the engine's runtime that say where the stack of the process is. They are set each time that the engine is
 * entered, and are different with each depth it is entered from: an image that had them would have other bytes each time
 * that it is made of the same heap. */
#ifndef ENGINE_STACK_WORDS_H
#define ENGINE_STACK_WORDS_H

#include <stddef.h>
#include <stdint.h>

#include "library.h"

#define STACK_WORDS_MOST 4

struct stack_words {
    uintptr_t *places[STACK_WORDS_MOST];
    unsigned count;
};

/* Finds them, by entering a runtime of the arena's from two depths. */
void stack_words_find(struct stack_words *words, JSRuntime *runtime);

/* Clears them until the engine is entered again. */
void stack_words_clear(const struct stack_words *words);

#endif
