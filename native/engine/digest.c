#include "digest.h"

#include <string.h>

/* The first bits of the broken parts of the cube roots of the first 80 primes. */
static const uint64_t CONSTANTS[80] = {
    UINT64_C(0x428a2f98d728ae22), UINT64_C(0x7137449123ef65cd), UINT64_C(0xb5c0fbcfec4d3b2f),
    UINT64_C(0xe9b5dba58189dbbc), UINT64_C(0x3956c25bf348b538), UINT64_C(0x59f111f1b605d019),
    UINT64_C(0x923f82a4af194f9b), UINT64_C(0xab1c5ed5da6d8118), UINT64_C(0xd807aa98a3030242),
    UINT64_C(0x12835b0145706fbe), UINT64_C(0x243185be4ee4b28c), UINT64_C(0x550c7dc3d5ffb4e2),
    UINT64_C(0x72be5d74f27b896f), UINT64_C(0x80deb1fe3b1696b1), UINT64_C(0x9bdc06a725c71235),
    UINT64_C(0xc19bf174cf692694), UINT64_C(0xe49b69c19ef14ad2), UINT64_C(0xefbe4786384f25e3),
    UINT64_C(0x0fc19dc68b8cd5b5), UINT64_C(0x240ca1cc77ac9c65), UINT64_C(0x2de92c6f592b0275),
    UINT64_C(0x4a7484aa6ea6e483), UINT64_C(0x5cb0a9dcbd41fbd4), UINT64_C(0x76f988da831153b5),
    UINT64_C(0x983e5152ee66dfab), UINT64_C(0xa831c66d2db43210), UINT64_C(0xb00327c898fb213f),
    UINT64_C(0xbf597fc7beef0ee4), UINT64_C(0xc6e00bf33da88fc2), UINT64_C(0xd5a79147930aa725),
    UINT64_C(0x06ca6351e003826f), UINT64_C(0x142929670a0e6e70), UINT64_C(0x27b70a8546d22ffc),
    UINT64_C(0x2e1b21385c26c926), UINT64_C(0x4d2c6dfc5ac42aed), UINT64_C(0x53380d139d95b3df),
    UINT64_C(0x650a73548baf63de), UINT64_C(0x766a0abb3c77b2a8), UINT64_C(0x81c2c92e47edaee6),
    UINT64_C(0x92722c851482353b), UINT64_C(0xa2bfe8a14cf10364), UINT64_C(0xa81a664bbc423001),
    UINT64_C(0xc24b8b70d0f89791), UINT64_C(0xc76c51a30654be30), UINT64_C(0xd192e819d6ef5218),
    UINT64_C(0xd69906245565a910), UINT64_C(0xf40e35855771202a), UINT64_C(0x106aa07032bbd1b8),
    UINT64_C(0x19a4c116b8d2d0c8), UINT64_C(0x1e376c085141ab53), UINT64_C(0x2748774cdf8eeb99),
    UINT64_C(0x34b0bcb5e19b48a8), UINT64_C(0x391c0cb3c5c95a63), UINT64_C(0x4ed8aa4ae3418acb),
    UINT64_C(0x5b9cca4f7763e373), UINT64_C(0x682e6ff3d6b2b8a3), UINT64_C(0x748f82ee5defb2fc),
    UINT64_C(0x78a5636f43172f60), UINT64_C(0x84c87814a1f0ab72), UINT64_C(0x8cc702081a6439ec),
    UINT64_C(0x90befffa23631e28), UINT64_C(0xa4506cebde82bde9), UINT64_C(0xbef9a3f7b2c67915),
    UINT64_C(0xc67178f2e372532b), UINT64_C(0xca273eceea26619c), UINT64_C(0xd186b8c721c0c207),
    UINT64_C(0xeada7dd6cde0eb1e), UINT64_C(0xf57d4f7fee6ed178), UINT64_C(0x06f067aa72176fba),
    UINT64_C(0x0a637dc5a2c898a6), UINT64_C(0x113f9804bef90dae), UINT64_C(0x1b710b35131c471b),
    UINT64_C(0x28db77f523047d84), UINT64_C(0x32caab7b40c72493), UINT64_C(0x3c9ebe0a15c9bebc),
    UINT64_C(0x431d67c49c100d4c), UINT64_C(0x4cc5d4becb3e42b6), UINT64_C(0x597f299cfc657e2a),
    UINT64_C(0x5fcb6fab3ad6faec), UINT64_C(0x6c44198c4a475817),
};

static const uint32_t SHA1_BEGIN[5] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
/* Of the square roots of the first 8 primes, of which SHA-256 has the upper halves, and of the next 8. */
static const uint64_t SHA512_BEGIN[8] = {
    UINT64_C(0x6a09e667f3bcc908), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
    UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
    UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179),
};
static const uint64_t SHA384_BEGIN[8] = {
    UINT64_C(0xcbbb9d5dc1059ed8), UINT64_C(0x629a292a367cd507), UINT64_C(0x9159015a3070dd17),
    UINT64_C(0x152fecd8f70e5939), UINT64_C(0x67332667ffc00b31), UINT64_C(0x8eb44a8768581511),
    UINT64_C(0xdb0c2e0d64f98fa7), UINT64_C(0x47b5481dbefa4fa4),
};

static uint32_t left(uint32_t value, int bits) {
    return value << bits | value >> (32 - bits);
}

static uint32_t right(uint32_t value, int bits) {
    return value >> bits | value << (32 - bits);
}

static uint64_t right_64(uint64_t value, int bits) {
    return value >> bits | value << (64 - bits);
}

static uint64_t read_big(const uint8_t *at, unsigned bytes) {
    uint64_t value = 0;
    for (unsigned index = 0; index < bytes; index++) {
        value = value << 8 | at[index];
    }
    return value;
}

static void write_big(uint8_t *at, uint64_t value, unsigned bytes) {
    for (unsigned index = 0; index < bytes; index++) {
        at[index] = (uint8_t)(value >> (8 * (bytes - 1 - index)));
    }
}

static void add_sha1(uint32_t state[8], const uint8_t *block) {
    static const uint32_t ROUND[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t words[80];
    for (unsigned index = 0; index < 16; index++) {
        words[index] = (uint32_t)read_big(block + 4 * index, 4);
    }
    for (unsigned index = 16; index < 80; index++) {
        words[index] = left(words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16], 1);
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3], e = state[4];
    for (unsigned index = 0; index < 80; index++) {
        unsigned part = index / 20;
        uint32_t mixed = part == 0 ? (b & c) | (~b & d) : part == 2 ? (b & c) | (b & d) | (c & d) : b ^ c ^ d;
        uint32_t next = left(a, 5) + mixed + e + ROUND[part] + words[index];
        e = d;
        d = c;
        c = left(b, 30);
        b = a;
        a = next;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
}

static void add_sha256(uint32_t state[8], const uint8_t *block) {
    uint32_t words[64];
    for (unsigned index = 0; index < 16; index++) {
        words[index] = (uint32_t)read_big(block + 4 * index, 4);
    }
    for (unsigned index = 16; index < 64; index++) {
        uint32_t near = words[index - 2], far = words[index - 15];
        words[index] = (right(near, 17) ^ right(near, 19) ^ near >> 10) + words[index - 7] +
                       (right(far, 7) ^ right(far, 18) ^ far >> 3) + words[index - 16];
    }
    uint32_t v[8];
    memcpy(v, state, sizeof v);
    for (unsigned index = 0; index < 64; index++) {
        /* Those of SHA-256 are the upper halves of the first 64. */
        uint32_t first = v[7] + (right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25)) +
                         ((v[4] & v[5]) ^ (~v[4] & v[6])) + (uint32_t)(CONSTANTS[index] >> 32) + words[index];
        uint32_t second =
            (right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += first;
        v[0] = first + second;
    }
    for (unsigned index = 0; index < 8; index++) {
        state[index] += v[index];
    }
}

static void add_sha512(uint64_t state[8], const uint8_t *block) {
    uint64_t words[80];
    for (unsigned index = 0; index < 16; index++) {
        words[index] = read_big(block + 8 * index, 8);
    }
    for (unsigned index = 16; index < 80; index++) {
        uint64_t near = words[index - 2], far = words[index - 15];
        words[index] = (right_64(near, 19) ^ right_64(near, 61) ^ near >> 6) + words[index - 7] +
                       (right_64(far, 1) ^ right_64(far, 8) ^ far >> 7) + words[index - 16];
    }
    uint64_t v[8];
    memcpy(v, state, sizeof v);
    for (unsigned index = 0; index < 80; index++) {
        uint64_t first = v[7] + (right_64(v[4], 14) ^ right_64(v[4], 18) ^ right_64(v[4], 41)) +
                         ((v[4] & v[5]) ^ (~v[4] & v[6])) + CONSTANTS[index] + words[index];
        uint64_t second = (right_64(v[0], 28) ^ right_64(v[0], 34) ^ right_64(v[0], 39)) +
                          ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += first;
        v[0] = first + second;
    }
    for (unsigned index = 0; index < 8; index++) {
        state[index] += v[index];
    }
}

static bool is_large(const struct digest *digest) {
    return digest->algorithm == DIGEST_SHA384 || digest->algorithm == DIGEST_SHA512;
}

static size_t block_bytes(const struct digest *digest) {
    return is_large(digest) ? 128 : 64;
}

static void add_block(struct digest *digest, const uint8_t *block) {
    if (is_large(digest)) {
        add_sha512(digest->state.large, block);
    } else if (digest->algorithm == DIGEST_SHA256) {
        add_sha256(digest->state.small, block);
    } else {
        add_sha1(digest->state.small, block);
    }
}

bool digest_named(const char *name, enum digest_algorithm *algorithm) {
    static const char *const NAMES[] = {"SHA-1", "SHA-256", "SHA-384", "SHA-512"};
    for (unsigned index = 0; index < 4; index++) {
        if (strcmp(name, NAMES[index]) == 0) {
            *algorithm = (enum digest_algorithm)index;
            return true;
        }
    }
    return false;
}

void digest_begin(struct digest *digest, enum digest_algorithm algorithm) {
    *digest = (struct digest){.algorithm = algorithm};
    if (algorithm == DIGEST_SHA1) {
        memcpy(digest->state.small, SHA1_BEGIN, sizeof SHA1_BEGIN);
    } else if (algorithm == DIGEST_SHA256) {
        for (unsigned index = 0; index < 8; index++) {
            digest->state.small[index] = (uint32_t)(SHA512_BEGIN[index] >> 32);
        }
    } else {
        memcpy(digest->state.large, algorithm == DIGEST_SHA384 ? SHA384_BEGIN : SHA512_BEGIN, sizeof SHA512_BEGIN);
    }
}

void digest_add(struct digest *digest, const uint8_t *data, size_t bytes) {
    size_t whole = block_bytes(digest);
    digest->bytes += bytes;
    while (bytes > 0) {
        if (digest->in_block == 0 && bytes >= whole) {
            add_block(digest, data);
            data += whole;
            bytes -= whole;
            continue;
        }
        size_t taken = whole - digest->in_block < bytes ? whole - digest->in_block : bytes;
        memcpy(digest->block + digest->in_block, data, taken);
        digest->in_block += taken;
        data += taken;
        bytes -= taken;
        if (digest->in_block == whole) {
            add_block(digest, digest->block);
            digest->in_block = 0;
        }
    }
}

size_t digest_end(struct digest *digest, uint8_t result[DIGEST_BYTES_MOST]) {
    static const size_t BYTES[] = {20, 32, 48, 64};
    size_t whole = block_bytes(digest), length_bytes = whole / 8;
    uint64_t bits = digest->bytes * 8;
    static const uint8_t PADDING[DIGEST_BLOCK_BYTES_MOST] = {0x80};
    size_t padded = (whole + whole - length_bytes - digest->in_block - 1) % whole + 1;
    digest_add(digest, PADDING, padded);
    uint8_t length[16] = {0};
    write_big(length + length_bytes - 8, bits, 8);
    digest_add(digest, length, length_bytes);
    uint8_t state[DIGEST_BYTES_MOST];
    for (unsigned index = 0; index < 8; index++) {
        if (is_large(digest)) {
            write_big(state + 8 * index, digest->state.large[index], 8);
        } else {
            write_big(state + 4 * index, digest->state.small[index], 4);
        }
    }
    memcpy(result, state, BYTES[digest->algorithm]);
    return BYTES[digest->algorithm];
}
