#include "plain.h"

#include <math.h>

static bool is_continuation(uint8_t byte) {
    return (byte & 0xc0) == 0x80;
}

/* Whether all of these are ASCII, by eight or four at once; the last of them overlap. */
static inline bool is_ascii(const uint8_t *at, size_t length) {
    uint64_t seen = 0, eight;
    uint32_t first, last;
    if (length >= 8) {
        const uint8_t *end = at + length - 8;
        for (; at < end; at += 8) {
            memcpy(&eight, at, sizeof eight);
            seen |= eight;
        }
        memcpy(&eight, end, sizeof eight);
        return ((seen | eight) & UINT64_C(0x8080808080808080)) == 0;
    }
    if (length >= 4) {
        memcpy(&first, at, sizeof first);
        memcpy(&last, at + length - 4, sizeof last);
        return ((first | last) & UINT32_C(0x80808080)) == 0;
    }
    for (size_t index = 0; index < length; index++) {
        seen |= at[index];
    }
    return seen < 0x80;
}

/* Unicode 15, table 3-7: no overlong form, no surrogate, nothing past U+10FFFF; as Python decodes strictly. */
static bool is_any_utf8(const uint8_t *at, size_t length) {
    const uint8_t *end = at + length;
    while (at < end) {
        uint8_t first = *at;
        size_t left = (size_t)(end - at);
        if (first < 0x80) {
            at += 1;
        } else if (first >= 0xc2 && first <= 0xdf) {
            if (left < 2 || !is_continuation(at[1])) {
                return false;
            }
            at += 2;
        } else if (first >= 0xe0 && first <= 0xef) {
            if (left < 3 || !is_continuation(at[1]) || !is_continuation(at[2]) || (first == 0xe0 && at[1] < 0xa0) ||
                (first == 0xed && at[1] > 0x9f)) {
                return false;
            }
            at += 3;
        } else if (first >= 0xf0 && first <= 0xf4) {
            if (left < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3]) ||
                (first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f)) {
                return false;
            }
            at += 4;
        } else {
            return false;
        }
    }
    return true;
}

static inline bool is_utf8(const uint8_t *at, size_t length) {
    return is_ascii(at, length) || is_any_utf8(at, length);
}

void begin_walk(struct walk *walk, const void *bytes, size_t length) {
    walk->input.at = bytes;
    walk->input.end = walk->input.at + length;
    walk->values = 0;
    walk->wide = false;
}

bool read_head(struct walk *walk, struct messagepack_head *head) {
    if (!messagepack_read_head(&walk->input, head)) {
        return false;
    }
    switch (head->kind) {
    case MESSAGEPACK_NATURAL:
        walk->wide |= head->natural > (uint64_t)EXACT_INTEGER;
        return true;
    case MESSAGEPACK_NEGATIVE:
        walk->wide |= head->negative < -EXACT_INTEGER;
        return true;
    case MESSAGEPACK_FLOAT:
        return isfinite(head->floating);
    case MESSAGEPACK_ARRAY:
    case MESSAGEPACK_MAP:
        walk->values += head->length;
        return true;
    case MESSAGEPACK_BINARY:
    case MESSAGEPACK_EXTENSION:
        return false;
    default:
        return true;
    }
}

bool take_text(struct walk *walk, const struct messagepack_head *head, struct text *text) {
    if (head->kind != MESSAGEPACK_TEXT || !is_utf8(walk->input.at, head->length)) {
        return false;
    }
    text->at = (const char *)walk->input.at;
    text->length = head->length;
    walk->input.at += head->length;
    return true;
}

/* All but a few keys and most other texts have less than 32 bytes: these are told without the rest of what a head may
 * be. */
static inline bool is_short_text(uint8_t first) {
    return (first & 0xe0) == 0xa0;
}

static inline bool take_short_text(struct walk *walk, struct text *text) {
    const uint8_t *at = walk->input.at;
    uint32_t length = *at & 0x1f;
    if (length >= messagepack_left(&walk->input) || !is_utf8(at + 1, length)) {
        return false;
    }
    text->at = (const char *)(at + 1);
    text->length = length;
    walk->input.at += 1 + length;
    return true;
}

bool read_text(struct walk *walk, struct text *text) {
    struct messagepack_head head;
    if (walk->input.at < walk->input.end && is_short_text(*walk->input.at)) {
        return take_short_text(walk, text);
    }
    return read_head(walk, &head) && take_text(walk, &head, text);
}

/* Bytes of the formats that are nothing but a number, nil or a truth value: of 0 none of these. What can be wide or no
 * number is not among them. */
static const uint8_t BYTES_OF_PLAIN[256] = {
    [0x00 ... 0x7f] = 1, [0xe0 ... 0xff] = 1, [0xc0] = 1, [0xc2] = 1, [0xc3] = 1, [0xcc] = 2,
    [0xcd] = 3,          [0xce] = 5,          [0xd0] = 2, [0xd1] = 3, [0xd2] = 5,
};

enum passed { PASSED, NOT_PASSED, WRONG };

/* Goes past a value of the formats that most are of; of any other it stays where it is. */
static inline enum passed pass_scalar(struct walk *walk) {
    const uint8_t *at = walk->input.at;
    if (at == walk->input.end) {
        return WRONG;
    }
    size_t length = BYTES_OF_PLAIN[*at];
    if (length > 0) {
        if (length > messagepack_left(&walk->input)) {
            return WRONG;
        }
        walk->input.at += length;
        return PASSED;
    }
    if (is_short_text(*at)) {
        struct text text;
        return take_short_text(walk, &text) ? PASSED : WRONG;
    }
    return NOT_PASSED;
}

bool skip_rest(struct walk *walk, const struct messagepack_head *first) {
    struct {
        uint64_t left; /* values, of a map keys too */
        bool map;
    } open[PLAIN_DEPTH];
    unsigned depth = 0;
    struct messagepack_head head = *first;
    struct text text;
    for (;;) {
        if (head.kind == MESSAGEPACK_TEXT) {
            if (!take_text(walk, &head, &text)) {
                return false;
            }
        } else if (head.kind == MESSAGEPACK_MAP || head.kind == MESSAGEPACK_ARRAY) {
            if (depth == PLAIN_DEPTH) {
                return false;
            }
            open[depth].map = head.kind == MESSAGEPACK_MAP;
            open[depth].left = open[depth].map ? UINT64_C(2) * head.length : head.length;
            depth++;
        }
        enum passed passed = PASSED;
        while (passed == PASSED) {
            while (depth > 0 && open[depth - 1].left == 0) {
                depth--;
            }
            if (depth == 0) {
                return true;
            }
            bool key = open[depth - 1].map && open[depth - 1].left % 2 == 0;
            open[depth - 1].left--;
            if (key) {
                passed = read_text(walk, &text) ? PASSED : WRONG;
            } else {
                passed = pass_scalar(walk);
            }
        }
        if (passed == WRONG || !read_head(walk, &head)) {
            return false;
        }
    }
}

bool skip_value(struct walk *walk) {
    enum passed passed = pass_scalar(walk);
    if (passed == NOT_PASSED) {
        struct messagepack_head head;
        return read_head(walk, &head) && skip_rest(walk, &head);
    }
    return passed == PASSED;
}

/* Bytes of the formats of which each is as long as any other, with a float's, a wide integer's and a short text's. */
static inline size_t bytes_of_any(uint8_t first) {
    if (is_short_text(first)) {
        return 1 + (first & 0x1f);
    }
    if (first == 0xcb || first == 0xcf || first == 0xd3) {
        return 9;
    }
    return BYTES_OF_PLAIN[first];
}

/* Passes over a value of whatever sort, and adds up its elements and pairs. */
static bool pass_any(struct messagepack_input *input, uint64_t *values) {
    uint64_t left = 1; /* at most two for each byte that there is */
    while (left > 0) {
        struct messagepack_head head;
        if (left > messagepack_left(input)) {
            return false;
        }
        size_t length = bytes_of_any(*input->at);
        if (length > 0) {
            if (length > messagepack_left(input)) {
                return false;
            }
            input->at += length;
            left--;
            continue;
        }
        if (!messagepack_read_head(input, &head)) {
            return false;
        }
        left--;
        switch (head.kind) {
        case MESSAGEPACK_MAP:
            *values += head.length;
            left += UINT64_C(2) * head.length;
            break;
        case MESSAGEPACK_ARRAY:
            *values += head.length;
            left += head.length;
            break;
        case MESSAGEPACK_TEXT:
        case MESSAGEPACK_BINARY:
        case MESSAGEPACK_EXTENSION:
            input->at += head.length;
            break;
        default:
            break;
        }
    }
    return true;
}

bool pass_value(struct walk *walk) {
    return pass_any(&walk->input, &walk->values);
}

bool count_values(const void *bytes, size_t length, uint64_t *values) {
    struct messagepack_input input = {bytes, (const uint8_t *)bytes + length};
    *values = 0;
    return pass_any(&input, values) && input.at == input.end;
}
