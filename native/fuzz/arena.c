/* The arena's allocator driven by bytes, beside a list of what it gave: blocks are aligned, lie inside the heap, never
 * overlap (each is filled with a byte of its own and looked at before it goes), hold to the limit, and leave nothing in
 * use at the end. Each three bytes are one step: what to do, with which block, how large. */

#include "engine/arena.h"

#include <stdlib.h>
#include <string.h>

enum { SLOTS = 256, ROOM = 1 << 21 };

struct slot {
    uint8_t *payload;
    size_t size;
    uint8_t mark;
};

static void require(int holds) {
    if (!holds) {
        abort();
    }
}

static void fill(struct slot *slot, size_t from) {
    if (slot->payload != NULL) {
        memset(slot->payload + from, slot->mark, slot->size - from);
    }
}

static void check(const struct slot *slot, size_t size) {
    if (size > 0) {
        require(slot->payload[0] == slot->mark && memcmp(slot->payload, slot->payload + 1, size - 1) == 0);
    }
}

static void check_idle(const struct arena *arena) {
    size_t before = 0;
    for (struct arena_idle idle = arena_idle_of(arena); arena_next_idle(&idle); before = idle.end) {
        require(idle.begin <= idle.end && before < idle.begin && idle.end < arena_extent(arena));
    }
}

/* From 0 to 200,000: most are small, as the engine's are. */
static size_t size_from(uint8_t byte) {
    return byte < 128 ? byte : byte < 224 ? (size_t)(byte - 127) * 67 : (size_t)(byte - 223) * 6250;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    static struct slot slots[SLOTS];
    memset(slots, 0, sizeof slots);
    struct arena *arena = arena_new(ROOM);
    require(arena != NULL);
    size_t bare = arena_extent(arena);
    for (size_t step = 0; step + 3 <= bytes; step += 3) {
        struct slot *slot = &slots[data[step + 1]];
        size_t size = size_from(data[step + 2]);
        switch (data[step] % 8) {
        case 0: {
            size_t kept = slot->size < size ? slot->size : size;
            uint8_t *moved = arena_realloc(arena, slot->payload, size);
            if (moved == NULL && size != 0) {
                break;
            }
            slot->payload = moved;
            slot->size = size;
            if (moved == NULL) {
                slot->size = 0;
                break;
            }
            check(slot, kept);
            fill(slot, kept);
            break;
        }
        case 1:
            arena_limit(arena, (size_t)data[step + 2] * (ROOM / 200));
            break;
        case 2:
            check_idle(arena);
            break;
        case 3:
        case 4:
            if (slot->payload != NULL) {
                check(slot, slot->size);
                arena_free(arena, slot->payload);
                slot->payload = NULL;
                slot->size = 0;
            }
            break;
        default:
            if (slot->payload != NULL) {
                break;
            }
            slot->payload = data[step] & 8 ? arena_calloc(arena, 1, size) : arena_malloc(arena, size);
            if (slot->payload != NULL) {
                slot->size = size;
                slot->mark = 0;
                if (data[step] & 8) {
                    check(slot, size);
                }
                slot->mark = (uint8_t)(step * 31 + 1);
                fill(slot, 0);
            }
        }
        if (slot->payload != NULL) {
            require((uintptr_t)slot->payload % 16 == 0);
            require(arena_usable_size(slot->payload) >= slot->size);
            require(slot->payload >= arena_heap(arena));
            require(slot->payload + slot->size <= arena_heap(arena) + arena_extent(arena));
        }
        require(arena_extent(arena) <= arena_room(arena) && arena_in_use(arena) <= arena_extent(arena));
    }
    for (int number = 0; number < SLOTS; number++) {
        if (slots[number].payload != NULL) {
            check(&slots[number], slots[number].size);
            arena_free(arena, slots[number].payload);
        }
    }
    require(arena_in_use(arena) == 0 && arena_extent(arena) == bare);
    arena_clear_beyond(arena, bare);
    const uint8_t *heap = arena_heap(arena);
    for (size_t at = bare; at < arena_room(arena); at += 509) {
        require(heap[at] == 0);
    }
    arena_delete(arena);
    return 0;
}
