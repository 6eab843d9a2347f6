/* What the runtime is lent for `crypto`: random bytes and digests. */
#ifndef ENGINE_CRYPTOGRAPHY_H
#define ENGINE_CRYPTOGRAPHY_H

#include "library.h"
#include "random.h"

#define SECRET_BYTES RANDOM_KEY_BYTES

/* fillRandom(array): the next bytes of the run's stream into a Uint8Array. The stream is that of ChaCha20 (Bernstein, 2008)
 * under the engine's secret, which no script comes near, or the run's own key, and the run's seed and begin: the same for who
 * has all three, and to be foretold by nobody, also not from what Math.random gives. A run has a key of its own where
 * it is recorded, so that it can be repeated by another engine. How much of the stream is used lies in the engine's heap. */
JSValue cryptography_fill(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);

/* digest(name, array): a new ArrayBuffer with the digest of a Uint8Array; undefined for another name. */
JSValue cryptography_digest(JSContext *context, JSValueConst this, int count, JSValueConst *arguments);

/* Bytes from a place of a stream on. */
void cryptography_stream(const uint8_t secret[SECRET_BYTES], uint64_t seed, uint32_t moment, uint64_t place,
                         uint8_t *bytes, size_t count);

#endif
