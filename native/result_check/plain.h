/* What of MessagePack a script's result and a switch's routing plainly are: text in UTF-8 and nothing but text for keys,
 * no binary, no extension, numbers that are numbers, and containers not deep in one another. Of everything else it is
 * only said that it is not plain, and the check in Python decides. Nothing here knows Python. */
#ifndef RESULT_CHECK_PLAIN_H
#define RESULT_CHECK_PLAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "messagepack.h"

/* Containers in one another below those that are known by name; a routing has three. */
#define PLAIN_DEPTH 32

/* Number.MAX_SAFE_INTEGER: past it JavaScript rounds. */
#define EXACT_INTEGER ((INT64_C(1) << 53) - 1)

/* A text where it stands in the bytes that are read, not terminated. */
struct text {
    const char *at;
    uint32_t length;
};

struct walk {
    struct messagepack_input input;
    uint64_t values; /* elements of arrays and pairs of maps so far */
    bool wide;       /* an integer past EXACT_INTEGER was met */
};

void begin_walk(struct walk *walk, const void *bytes, size_t length);

/* Each reads one value and is false where the next is no such one; the walk is then wherever it is. */
bool read_head(struct walk *walk, struct messagepack_head *head);
bool read_text(struct walk *walk, struct text *text);
bool skip_value(struct walk *walk);

/* Goes past one value of whatever sort, plain or not, in a third of the time. */
bool pass_value(struct walk *walk);

/* The rest of a value whose head was read. */
bool take_text(struct walk *walk, const struct messagepack_head *head, struct text *text);
bool skip_rest(struct walk *walk, const struct messagepack_head *head);

static inline bool is_integer(const struct messagepack_head *head) {
    return head->kind == MESSAGEPACK_NATURAL || head->kind == MESSAGEPACK_NEGATIVE;
}

static inline bool same_text(struct text one, struct text other) {
    return one.length == other.length && memcmp(one.at, other.at, one.length) == 0;
}

/* Here for the compiler to see: of a constant the length is one too, and most keys are of another. */
static inline bool is_text(struct text text, const char *wanted) {
    size_t length = strlen(wanted);
    return text.length == length && memcmp(text.at, wanted, length) == 0;
}

/* Elements and pairs of whatever MessagePack it is; false where it is none. */
bool count_values(const void *bytes, size_t length, uint64_t *values);

#endif
