#include "stack_words.h"

#include <stdlib.h>
#include <string.h>

#include "arena.h"

enum { DEPTH = 4096 };

static void __attribute__((noinline)) enter(JSRuntime *runtime) {
    quickjs.JS_UpdateStackTop(runtime);
    __asm__ volatile(""); /* no tail call, which would be from the caller's depth */
}

static void __attribute__((noinline)) enter_deeper(JSRuntime *runtime) {
    volatile char deep[DEPTH];
    deep[0] = deep[DEPTH - 1] = 0;
    enter(runtime);
    (void)deep[0];
}

void stack_words_find(struct stack_words *words, JSRuntime *runtime) {
    words->count = 0;
    size_t bytes = arena_usable_size(runtime);
    uintptr_t *before = malloc(bytes);
    if (before == NULL) {
        return;
    }
    enter(runtime);
    memcpy(before, runtime, bytes);
    enter_deeper(runtime);
    uintptr_t *after = (uintptr_t *)runtime;
    for (size_t index = 0; index < bytes / sizeof *after && words->count < STACK_WORDS_MOST; index++) {
        if (after[index] != before[index]) {
            words->places[words->count++] = &after[index];
        }
    }
    free(before);
}

void stack_words_clear(const struct stack_words *words) {
    for (unsigned index = 0; index < words->count; index++) {
        *words->places[index] = 0;
    }
}
