/* A good-fit allocator with boundary tags: blocks lie side by side, a free one is joined at once with free neighbours
 * and found again by its size's bin. Each operation takes constant time, so that no pattern of sizes makes it slow; a
 * hostile one scatters free blocks and so meets its own limit sooner, which is of the extent. */
#include "arena.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

enum {
    PAGE = 4096,
    ALIGNMENT = 16,
    HEADER = 8,
    SMALLEST = 32, /* header, two links, and the size once more at the end */
    LINEAR = 512,  /* below it a bin holds one size, above a sixteenth of a power of two */
    LINEAR_LOG = 9,
    STEPS_LOG = 4,
    LARGEST_LOG = 40,
    BINS = LINEAR / ALIGNMENT + (LARGEST_LOG - LINEAR_LOG) * (1 << STEPS_LOG),
    MAP_WORDS = (BINS + 63) / 64,
    GIVEN_BACK = 1 << 20, /* beyond so much, pages go back to the system: to fault one in costs more than to zero it */
};

/* Flags in a block's size, which is a multiple of 16. */
#define FREE ((size_t)1)
#define BEHIND_FREE ((size_t)2)
#define FLAGS (FREE | BEHIND_FREE)

struct block {
    size_t size;
    struct block *next; /* of a free block only, as the two that follow: the last 8 bytes repeat its size */
    struct block *previous;
};

/* The part that an image holds. Blocks follow; the last is a header alone, of size 0, and the one before it is in
 * use. */
struct heap {
    size_t in_use;
    struct block *last;
    uint64_t map[MAP_WORDS]; /* a bit for each bin that is not empty */
    struct block *bins[BINS];
};

/* The part that no image holds, on a page of its own before the heap. */
struct arena {
    size_t room;
    size_t limit;
    size_t touched; /* the heap has been written up to here since it was last cleared */
    arena_exhausted *exhausted;
    void *opaque;
};

static inline struct heap *heap_of(const struct arena *arena) {
    return (struct heap *)((uint8_t *)arena + PAGE);
}

static inline size_t size_of(const struct block *block) {
    return block->size & ~FLAGS;
}

static inline struct block *after(const struct block *block) {
    return (struct block *)((uint8_t *)block + size_of(block));
}

static inline void *payload_of(struct block *block) {
    return (uint8_t *)block + HEADER;
}

static inline struct block *block_of(const void *payload) {
    return (struct block *)((uint8_t *)payload - HEADER);
}

static inline size_t *size_at_end(const struct block *block) {
    return (size_t *)((uint8_t *)block + size_of(block) - sizeof(size_t));
}

static inline struct block *free_before(const struct block *block) {
    return (struct block *)((uint8_t *)block - ((const size_t *)block)[-1]);
}

static inline struct block *first(const struct arena *arena) {
    /* A payload is aligned, so a header lies 8 bytes before such a place. */
    size_t begin = (sizeof(struct heap) + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return (struct block *)((uint8_t *)heap_of(arena) + begin + HEADER);
}

static inline size_t offset_of(const struct arena *arena, const void *place) {
    return (size_t)((const uint8_t *)place - (const uint8_t *)heap_of(arena));
}

/* The size of the block that holds `size` bytes; 0 where no arena could. */
static inline size_t block_size(size_t size) {
    if (size > (size_t)1 << (LARGEST_LOG - 1)) {
        return 0;
    }
    size_t whole = (size + HEADER + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    return whole < SMALLEST ? SMALLEST : whole;
}

static inline unsigned bin_of(size_t size) {
    if (size < LINEAR) {
        return (unsigned)(size / ALIGNMENT);
    }
    unsigned log = 63 - (unsigned)__builtin_clzll(size);
    unsigned step = (unsigned)(size >> (log - STEPS_LOG)) & ((1 << STEPS_LOG) - 1);
    return LINEAR / ALIGNMENT + ((log - LINEAR_LOG) << STEPS_LOG) + step;
}

static void put_in_bin(struct heap *heap, struct block *block) {
    size_t size = size_of(block);
    unsigned bin = bin_of(size);
    block->size |= FREE;
    *size_at_end(block) = size;
    after(block)->size |= BEHIND_FREE;
    block->previous = NULL;
    block->next = heap->bins[bin];
    if (block->next != NULL) {
        block->next->previous = block;
    }
    heap->bins[bin] = block;
    heap->map[bin / 64] |= (uint64_t)1 << (bin % 64);
}

static void take_from_bin(struct heap *heap, struct block *block) {
    unsigned bin = bin_of(size_of(block));
    if (block->next != NULL) {
        block->next->previous = block->previous;
    }
    if (block->previous != NULL) {
        block->previous->next = block->next;
    } else {
        heap->bins[bin] = block->next;
        if (block->next == NULL) {
            heap->map[bin / 64] &= ~((uint64_t)1 << (bin % 64));
        }
    }
    block->size &= ~FREE;
    after(block)->size &= ~BEHIND_FREE;
}

/* A free block of at least this size, out of its bin. */
static struct block *found(struct heap *heap, size_t size) {
    unsigned bin = bin_of(size);
    struct block *block = heap->bins[bin];
    if (block == NULL || size_of(block) < size) {
        /* Each block of a later bin is large enough. */
        bin++;
        unsigned word = bin / 64;
        if (word >= MAP_WORDS) {
            return NULL;
        }
        uint64_t bits = heap->map[word] & (~(uint64_t)0 << (bin % 64));
        while (bits == 0) {
            if (++word == MAP_WORDS) {
                return NULL;
            }
            bits = heap->map[word];
        }
        block = heap->bins[word * 64 + (unsigned)__builtin_ctzll(bits)];
    }
    take_from_bin(heap, block);
    return block;
}

/* Make the free space behind the first `size` bytes of a block a block of its own, where it is large enough for one. */
static void split(struct heap *heap, struct block *block, size_t size) {
    size_t rest = size_of(block) - size;
    if (rest < SMALLEST) {
        return;
    }
    block->size = size | (block->size & FLAGS);
    struct block *second = after(block);
    second->size = rest;
    put_in_bin(heap, second);
}

static struct block *refused(struct arena *arena) {
    if (arena->exhausted != NULL) {
        arena->exhausted(arena->opaque);
    }
    return NULL;
}

/* Move the end of the heap by this much; false where the limit forbids it. */
static bool extended(struct arena *arena, size_t size) {
    struct heap *heap = heap_of(arena);
    size_t extent = offset_of(arena, heap->last) + HEADER;
    if (extent > arena->limit || size > arena->limit - extent) {
        return false;
    }
    heap->last->size += size;
    heap->last = after(heap->last);
    heap->last->size = 0;
    extent += size;
    if (extent > arena->touched) {
        arena->touched = extent;
    }
    return true;
}

/* A block at the end of the heap. */
static struct block *appended(struct arena *arena, size_t size) {
    struct block *block = heap_of(arena)->last;
    return extended(arena, size) ? block : refused(arena);
}

void *arena_malloc(void *opaque, size_t size) {
    struct arena *arena = opaque;
    struct heap *heap = heap_of(arena);
    size_t wanted = block_size(size);
    if (wanted == 0) {
        return refused(arena);
    }
    struct block *block = found(heap, wanted);
    if (block != NULL) {
        split(heap, block, wanted);
    } else {
        block = appended(arena, wanted);
        if (block == NULL) {
            return NULL;
        }
    }
    heap->in_use += size_of(block);
    return payload_of(block);
}

void *arena_calloc(void *opaque, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) {
        return refused(opaque);
    }
    void *payload = arena_malloc(opaque, bytes);
    if (payload != NULL) {
        memset(payload, 0, bytes);
    }
    return payload;
}

/* Join a block that is in no bin with its free neighbours, and put it in its bin or give it to the end of the heap. */
static void released(struct heap *heap, struct block *block) {
    struct block *next = after(block);
    if (next->size & FREE) {
        take_from_bin(heap, next);
        block->size += size_of(next);
    }
    if (block->size & BEHIND_FREE) {
        struct block *before = free_before(block);
        take_from_bin(heap, before);
        before->size += size_of(block);
        block = before;
    }
    if (after(block) == heap->last) {
        block->size &= BEHIND_FREE;
        heap->last = block;
    } else {
        put_in_bin(heap, block);
    }
}

void arena_free(void *opaque, void *payload) {
    if (payload == NULL) {
        return;
    }
    struct heap *heap = heap_of(opaque);
    struct block *block = block_of(payload);
    if (block->size & FREE) {
        __builtin_trap(); /* freed twice: the engine is broken, or broken into */
    }
    heap->in_use -= size_of(block);
    released(heap, block);
}

/* Make a block larger where it lies; false where that is not possible. */
static bool grown(struct arena *arena, struct block *block, size_t size) {
    struct heap *heap = heap_of(arena);
    size_t had = size_of(block);
    struct block *next = after(block);
    if (next == heap->last) {
        if (!extended(arena, size - had)) {
            return false;
        }
    } else if (next->size & FREE && size_of(next) >= size - had) {
        take_from_bin(heap, next);
    } else {
        return false;
    }
    block->size += size_of(next);
    split(heap, block, size);
    heap->in_use += size_of(block) - had;
    return true;
}

void *arena_realloc(void *opaque, void *payload, size_t size) {
    if (payload == NULL) {
        return arena_malloc(opaque, size);
    }
    if (size == 0) {
        arena_free(opaque, payload);
        return NULL;
    }
    struct arena *arena = opaque;
    struct block *block = block_of(payload);
    size_t had = size_of(block);
    size_t wanted = block_size(size);
    if (wanted == 0) {
        return refused(arena);
    }
    if (wanted <= had) {
        if (had - wanted >= SMALLEST) {
            struct heap *heap = heap_of(arena);
            block->size = wanted | (block->size & FLAGS);
            struct block *rest = after(block);
            rest->size = had - wanted;
            heap->in_use -= had - wanted;
            released(heap, rest);
        }
        return payload;
    }
    if (grown(arena, block, wanted)) {
        return payload;
    }
    void *moved = arena_malloc(arena, size);
    if (moved != NULL) {
        memcpy(moved, payload, had - HEADER);
        arena_free(arena, payload);
    }
    return moved;
}

size_t arena_usable_size(const void *payload) {
    return payload == NULL ? 0 : size_of(block_of(payload)) - HEADER;
}

struct arena *arena_new(size_t room) {
    size_t least = sizeof(struct heap) + 2 * ALIGNMENT;
    if (room < least || room > (size_t)1 << (LARGEST_LOG - 1)) {
        errno = EINVAL;
        return NULL;
    }
    room = (room + PAGE - 1) & ~(size_t)(PAGE - 1);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    struct arena *arena = mmap(NULL, PAGE + room, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (arena == MAP_FAILED) {
        return NULL;
    }
    /* A page of 2 MB would be copied whole for the first byte that a forked process writes to it. Where the kernel
     * knows none, there is nothing to forbid. */
    (void)madvise(arena, PAGE + room, MADV_NOHUGEPAGE);
    arena->room = room;
    arena->limit = room;
    struct heap *heap = heap_of(arena);
    heap->last = first(arena);
    heap->last->size = 0;
    arena->touched = arena_extent(arena);
    return arena;
}

void arena_delete(struct arena *arena) {
    if (arena != NULL) {
        munmap(arena, PAGE + arena->room);
    }
}

void arena_limit(struct arena *arena, size_t bytes) {
    arena->limit = bytes < arena->room ? bytes : arena->room;
}

void arena_on_exhausted(struct arena *arena, arena_exhausted *exhausted, void *opaque) {
    arena->exhausted = exhausted;
    arena->opaque = opaque;
}

uint8_t *arena_heap(const struct arena *arena) {
    return (uint8_t *)heap_of(arena);
}

size_t arena_extent(const struct arena *arena) {
    return offset_of(arena, heap_of(arena)->last) + HEADER;
}

size_t arena_in_use(const struct arena *arena) {
    return heap_of(arena)->in_use;
}

size_t arena_room(const struct arena *arena) {
    return arena->room;
}

struct arena_idle arena_idle_of(const struct arena *arena) {
    return (struct arena_idle){.arena = arena, .extent = arena_extent(arena), .at = offset_of(arena, first(arena))};
}

bool arena_next_idle(struct arena_idle *idle) {
    while (idle->at + HEADER < idle->extent) {
        const struct block *block = (const struct block *)((const uint8_t *)heap_of(idle->arena) + idle->at);
        size_t size = size_of(block);
        if (size < SMALLEST || size % ALIGNMENT != 0 || size > idle->extent - idle->at) {
            return false; /* no heap of this allocator's */
        }
        idle->begin = idle->at + sizeof(struct block);
        idle->end = idle->at + size - sizeof(size_t);
        idle->at += size;
        if (block->size & FREE) {
            return true;
        }
    }
    return false;
}

void arena_clear_beyond(struct arena *arena, size_t extent) {
    if (arena->touched <= extent) {
        return;
    }
    size_t end = arena->touched;
    size_t kept = (extent + GIVEN_BACK + PAGE - 1) & ~(size_t)(PAGE - 1);
    if (end > kept) {
        size_t whole = ((end + PAGE - 1) & ~(size_t)(PAGE - 1)) - kept;
        if (madvise(arena_heap(arena) + kept, whole, MADV_DONTNEED) == 0) {
            end = kept;
        }
    }
    memset(arena_heap(arena) + extent, 0, end - extent);
    arena->touched = extent;
}

void arena_touch(struct arena *arena, size_t extent) {
    if (extent > arena->touched) {
        arena->touched = extent;
    }
}
