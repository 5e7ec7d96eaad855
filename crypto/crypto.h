/*
 * The real operations behind core/base/crypto.h: libcrypto for hashes, MACs and
 * ChaCha20-Poly1305; libsodium for keys, signatures, XChaCha20-Poly1305 and the care of secrets.
 */
#ifndef WARREN_CRYPTO_CRYPTO_H
#define WARREN_CRYPTO_CRYPTO_H

#include "core/base/crypto.h"

/*
 * Safe to use from any number of threads: each has its own scratch contexts, made at its first call
 * and freed by crypto_thread_end(). No operation can fail but for want of memory or of a broken
 * library, and then the process ends.
 */
extern const struct crypto crypto_real;

/* Frees what the calling thread holds. Using crypto_real afterwards makes it anew. */
void crypto_thread_end(void);

#endif
