#include "allocator.h"

#include <malloc.h>
#include <sanitizer/lsan_interface.h>
#include <stdlib.h>

static bool has_room(struct allocator *allocator, size_t size) {
    if (allocator->used > allocator->most || size > allocator->most - allocator->used) {
        allocator->refused = true;
        return false;
    }
    return true;
}

static void *taken(struct allocator *allocator, void *block) {
    if (block == NULL) {
        allocator->exhausted = true;
    } else {
        allocator->used += malloc_usable_size(block);
        /* `used` says what is left of them, where that is not the engine's own doing. */
        __lsan_ignore_object(block);
    }
    return block;
}

static void *allocate(void *opaque, size_t size) {
    return has_room(opaque, size) ? taken(opaque, malloc(size)) : NULL;
}

static void *allocate_zeros(void *opaque, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return has_room(opaque, bytes) ? taken(opaque, calloc(count, size)) : NULL;
}

static void release(void *opaque, void *block) {
    struct allocator *allocator = opaque;
    if (block != NULL) {
        allocator->used -= malloc_usable_size(block);
        free(block);
    }
}

static void *reallocate(void *opaque, void *block, size_t size) {
    struct allocator *allocator = opaque;
    if (block == NULL) {
        return allocate(opaque, size);
    }
    size_t before = malloc_usable_size(block);
    if (size > before && !has_room(allocator, size - before)) {
        return NULL;
    }
    void *moved = realloc(block, size);
    if (moved == NULL) {
        allocator->exhausted = true;
        return NULL;
    }
    allocator->used = allocator->used - before + malloc_usable_size(moved);
    __lsan_ignore_object(moved);
    return moved;
}

static size_t usable_size(const void *block) {
    return malloc_usable_size((void *)block);
}

const JSMallocFunctions allocator_functions = {
    .js_calloc = allocate_zeros,
    .js_malloc = allocate,
    .js_free = release,
    .js_realloc = reallocate,
    .js_malloc_usable_size = usable_size,
};
