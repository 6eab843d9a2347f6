/* SHA-1, SHA-256, SHA-384 and SHA-512 (FIPS 180-4). Knows nothing of the JavaScript engine. */
#ifndef ENGINE_DIGEST_H
#define ENGINE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_BYTES_MOST 64
#define DIGEST_BLOCK_BYTES_MOST 128

enum digest_algorithm { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512 };

struct digest {
    enum digest_algorithm algorithm;
    union {
        uint32_t small[8]; /* of SHA-1 and SHA-256 */
        uint64_t large[8];
    } state;
    uint8_t block[DIGEST_BLOCK_BYTES_MOST]; /* what makes no whole one yet */
    size_t in_block;
    uint64_t bytes;
};

/* False for a name that is none of the four's, as the Web Cryptography API spells them. */
bool digest_named(const char *name, enum digest_algorithm *algorithm);

void digest_begin(struct digest *digest, enum digest_algorithm algorithm);
void digest_add(struct digest *digest, const uint8_t *data, size_t bytes);

/* Gives how many bytes it has. */
size_t digest_end(struct digest *digest, uint8_t result[DIGEST_BYTES_MOST]);

#endif
