#include "allocator.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>

static bool has_room(struct allocator *allocator, size_t size) {
    if (size > PTRDIFF_MAX || allocator->used > allocator->most || size > allocator->most - allocator->used) {
        allocator->refused = true;
        if (allocator->refusal != NULL) {
            allocator->refusal(allocator->opaque);
        }
        return false;
    }
    return true;
}

static size_t size_of(struct block *block) {
    return malloc_usable_size(block) - sizeof *block;
}

static void *taken(struct allocator *allocator, struct block *block) {
    if (block == NULL) {
        allocator->exhausted = true;
        return NULL;
    }
    allocator->used += size_of(block);
    *block = (struct block){.before = allocator->last};
    if (block->before != NULL) {
        block->before->after = block;
    }
    allocator->last = block;
    return block + 1;
}

static void left(struct allocator *allocator, struct block *block) {
    allocator->used -= size_of(block);
    if (block->before != NULL) {
        block->before->after = block->after;
    }
    if (block->after != NULL) {
        block->after->before = block->before;
    } else {
        allocator->last = block->before;
    }
}

static void *allocate(void *opaque, size_t size) {
    return has_room(opaque, size) ? taken(opaque, malloc(sizeof(struct block) + size)) : NULL;
}

static void *allocate_zeros(void *opaque, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return NULL;
    }
    return has_room(opaque, bytes) ? taken(opaque, calloc(1, sizeof(struct block) + bytes)) : NULL;
}

static void release(void *opaque, void *bytes) {
    if (bytes != NULL) {
        struct block *block = (struct block *)bytes - 1;
        left(opaque, block);
        free(block);
    }
}

static void *reallocate(void *opaque, void *bytes, size_t size) {
    struct allocator *allocator = opaque;
    if (bytes == NULL) {
        return allocate(opaque, size);
    }
    struct block *block = (struct block *)bytes - 1;
    size_t before = size_of(block);
    if (size > before && !has_room(allocator, size - before)) {
        return NULL;
    }
    left(allocator, block);
    struct block *moved = realloc(block, sizeof *block + size);
    if (moved == NULL) {
        taken(allocator, block);
        allocator->exhausted = true;
        return NULL;
    }
    return taken(allocator, moved);
}

static size_t usable_size(const void *bytes) {
    return bytes == NULL ? 0 : size_of((struct block *)bytes - 1);
}

void allocator_clear(struct allocator *allocator) {
    while (allocator->last != NULL) {
        struct block *block = allocator->last;
        left(allocator, block);
        free(block);
    }
}

const JSMallocFunctions allocator_functions = {
    .js_calloc = allocate_zeros,
    .js_malloc = allocate,
    .js_free = release,
    .js_realloc = reallocate,
    .js_malloc_usable_size = usable_size,
};
