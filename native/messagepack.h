/* Heads of MessagePack values, read within bounds and written in their shortest form.
 * https://github.com/msgpack/msgpack/blob/master/spec.md
 *
 * What a value holds beyond its head is its reader's: the bytes of a text, the values of an array. */
#ifndef MESSAGEPACK_H
#define MESSAGEPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The most that one of the functions below writes. */
#define MESSAGEPACK_HEAD_BYTES 9

enum messagepack_kind {
    MESSAGEPACK_NIL,
    MESSAGEPACK_BOOLEAN,
    MESSAGEPACK_NATURAL,  /* an integer from 0, whatever format it came in */
    MESSAGEPACK_NEGATIVE, /* an integer below 0 */
    MESSAGEPACK_FLOAT,    /* of 32 or 64 bits */
    MESSAGEPACK_TEXT,     /* not yet known to be UTF-8 */
    MESSAGEPACK_BINARY,
    MESSAGEPACK_EXTENSION,
    MESSAGEPACK_ARRAY,
    MESSAGEPACK_MAP,
};

struct messagepack_head {
    enum messagepack_kind kind;
    int8_t extension_type; /* of an extension; -1 is a timestamp */
    union {
        bool boolean;
        uint64_t natural;
        int64_t negative;
        double floating;
        uint32_t length; /* bytes of a text, binary or extension; values of an array; pairs of a map */
    };
};

/* What is left to be read. */
struct messagepack_input {
    const uint8_t *at;
    const uint8_t *end;
};

static inline size_t messagepack_left(const struct messagepack_input *input) {
    return (size_t)(input->end - input->at);
}

/* The next bytes as a number, the most significant first; the caller knows that they are there. */
static inline uint64_t messagepack_take(struct messagepack_input *input, unsigned bytes) {
    uint64_t number = 0;
    for (unsigned taken = 0; taken < bytes; taken++) {
        number = number << 8 | *input->at++;
    }
    return number;
}

static inline double messagepack_float_of(uint64_t bits, unsigned bytes) {
    if (bytes == 4) {
        float single;
        uint32_t half = (uint32_t)bits;
        memcpy(&single, &half, sizeof single);
        return (double)single;
    }
    double floating;
    memcpy(&floating, &bits, sizeof floating);
    return floating;
}

/* Reads the head of the next value. False where the input ends too early or begins with the one byte that begins
 * nothing; the input is then wherever it is.
 *
 * After true, so many bytes are there as a text, binary or extension says that it has, and at least one for each value of
 * an array and two for each pair of a map: memory may be asked for in proportion to `length`. */
static inline bool messagepack_read_head(struct messagepack_input *input, struct messagepack_head *head) {
    if (input->at >= input->end) {
        return false;
    }
    uint8_t first = *input->at++;
    if (first < 0x80) {
        head->kind = MESSAGEPACK_NATURAL;
        head->natural = first;
        return true;
    }
    if (first >= 0xe0) {
        head->kind = MESSAGEPACK_NEGATIVE;
        head->negative = (int8_t)first;
        return true;
    }
    unsigned bytes = 0; /* of what follows the first byte */
    if (first < 0x90) {
        head->kind = MESSAGEPACK_MAP;
        head->length = first & 0x0f;
    } else if (first < 0xa0) {
        head->kind = MESSAGEPACK_ARRAY;
        head->length = first & 0x0f;
    } else if (first < 0xc0) {
        head->kind = MESSAGEPACK_TEXT;
        head->length = first & 0x1f;
    } else {
        switch (first) {
        case 0xc0:
            head->kind = MESSAGEPACK_NIL;
            return true;
        case 0xc2:
        case 0xc3:
            head->kind = MESSAGEPACK_BOOLEAN;
            head->boolean = first == 0xc3;
            return true;
        case 0xc4:
        case 0xc5:
        case 0xc6:
            head->kind = MESSAGEPACK_BINARY;
            bytes = 1u << (first - 0xc4);
            break;
        case 0xc7:
        case 0xc8:
        case 0xc9:
            head->kind = MESSAGEPACK_EXTENSION;
            bytes = 1u << (first - 0xc7);
            break;
        case 0xca:
        case 0xcb:
            head->kind = MESSAGEPACK_FLOAT;
            bytes = 4u << (first - 0xca);
            break;
        case 0xcc:
        case 0xcd:
        case 0xce:
        case 0xcf:
            head->kind = MESSAGEPACK_NATURAL;
            bytes = 1u << (first - 0xcc);
            break;
        case 0xd0:
        case 0xd1:
        case 0xd2:
        case 0xd3:
            head->kind = MESSAGEPACK_NEGATIVE;
            bytes = 1u << (first - 0xd0);
            break;
        case 0xd4:
        case 0xd5:
        case 0xd6:
        case 0xd7:
        case 0xd8:
            head->kind = MESSAGEPACK_EXTENSION;
            head->length = 1u << (first - 0xd4);
            break;
        case 0xd9:
        case 0xda:
        case 0xdb:
            head->kind = MESSAGEPACK_TEXT;
            bytes = 1u << (first - 0xd9);
            break;
        case 0xdc:
        case 0xdd:
            head->kind = MESSAGEPACK_ARRAY;
            bytes = 2u << (first - 0xdc);
            break;
        case 0xde:
        case 0xdf:
            head->kind = MESSAGEPACK_MAP;
            bytes = 2u << (first - 0xde);
            break;
        default:
            return false;
        }
        if (messagepack_left(input) < bytes) {
            return false;
        }
    }
    switch (head->kind) {
    case MESSAGEPACK_NATURAL:
        head->natural = messagepack_take(input, bytes);
        return true;
    case MESSAGEPACK_NEGATIVE: {
        uint64_t number = messagepack_take(input, bytes);
        unsigned unused = 64 - 8 * bytes;
        if (number >> (8 * bytes - 1)) {
            head->negative = (int64_t)(number << unused) >> unused;
        } else {
            head->kind = MESSAGEPACK_NATURAL;
            head->natural = number;
        }
        return true;
    }
    case MESSAGEPACK_FLOAT:
        head->floating = messagepack_float_of(messagepack_take(input, bytes), bytes);
        return true;
    default:
        break;
    }
    if (bytes > 0) {
        head->length = (uint32_t)messagepack_take(input, bytes);
    }
    if (head->kind == MESSAGEPACK_EXTENSION) {
        if (messagepack_left(input) < 1) {
            return false;
        }
        head->extension_type = (int8_t)*input->at++;
    }
    if (head->kind == MESSAGEPACK_MAP) {
        return head->length <= messagepack_left(input) / 2;
    }
    return head->length <= messagepack_left(input);
}

/* Writers: each returns the place after what it wrote. The caller has made sure of MESSAGEPACK_HEAD_BYTES of room. */

static inline uint8_t *messagepack_put(uint8_t *at, uint8_t first, uint64_t number, unsigned bytes) {
    *at++ = first;
    while (bytes > 0) {
        bytes--;
        *at++ = (uint8_t)(number >> 8 * bytes);
    }
    return at;
}

static inline uint8_t *messagepack_write_nil(uint8_t *at) {
    return messagepack_put(at, 0xc0, 0, 0);
}

static inline uint8_t *messagepack_write_boolean(uint8_t *at, bool boolean) {
    return messagepack_put(at, boolean ? 0xc3 : 0xc2, 0, 0);
}

static inline uint8_t *messagepack_write_natural(uint8_t *at, uint64_t number) {
    if (number < 0x80) {
        return messagepack_put(at, (uint8_t)number, 0, 0);
    }
    if (number <= UINT8_MAX) {
        return messagepack_put(at, 0xcc, number, 1);
    }
    if (number <= UINT16_MAX) {
        return messagepack_put(at, 0xcd, number, 2);
    }
    if (number <= UINT32_MAX) {
        return messagepack_put(at, 0xce, number, 4);
    }
    return messagepack_put(at, 0xcf, number, 8);
}

static inline uint8_t *messagepack_write_integer(uint8_t *at, int64_t number) {
    if (number >= 0) {
        return messagepack_write_natural(at, (uint64_t)number);
    }
    if (number >= -32) {
        return messagepack_put(at, (uint8_t)number, 0, 0);
    }
    if (number >= INT8_MIN) {
        return messagepack_put(at, 0xd0, (uint64_t)number, 1);
    }
    if (number >= INT16_MIN) {
        return messagepack_put(at, 0xd1, (uint64_t)number, 2);
    }
    if (number >= INT32_MIN) {
        return messagepack_put(at, 0xd2, (uint64_t)number, 4);
    }
    return messagepack_put(at, 0xd3, (uint64_t)number, 8);
}

static inline uint8_t *messagepack_write_float(uint8_t *at, double floating) {
    uint64_t bits;
    memcpy(&bits, &floating, sizeof bits);
    return messagepack_put(at, 0xcb, bits, 8);
}

static inline uint8_t *messagepack_write_text_head(uint8_t *at, uint32_t length) {
    if (length < 32) {
        return messagepack_put(at, (uint8_t)(0xa0 | length), 0, 0);
    }
    if (length <= UINT8_MAX) {
        return messagepack_put(at, 0xd9, length, 1);
    }
    if (length <= UINT16_MAX) {
        return messagepack_put(at, 0xda, length, 2);
    }
    return messagepack_put(at, 0xdb, length, 4);
}

static inline uint8_t *messagepack_write_array_head(uint8_t *at, uint32_t length) {
    if (length < 16) {
        return messagepack_put(at, (uint8_t)(0x90 | length), 0, 0);
    }
    if (length <= UINT16_MAX) {
        return messagepack_put(at, 0xdc, length, 2);
    }
    return messagepack_put(at, 0xdd, length, 4);
}

static inline uint8_t *messagepack_write_map_head(uint8_t *at, uint32_t length) {
    if (length < 16) {
        return messagepack_put(at, (uint8_t)(0x80 | length), 0, 0);
    }
    if (length <= UINT16_MAX) {
        return messagepack_put(at, 0xde, length, 2);
    }
    return messagepack_put(at, 0xdf, length, 4);
}

#endif
