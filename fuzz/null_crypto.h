/*
 * Cryptography for fuzzing that anything passes whose MAC bytes are zero, so that a fuzzer gets
 * behind it.
 */
#ifndef WARREN_FUZZ_NULL_CRYPTO_H
#define WARREN_FUZZ_NULL_CRYPTO_H

#include "core/base/crypto.h"

/*
 * Every hash and MAC is all zero bytes. Each operation still reads all that it is given, so that a
 * wrong span is caught by the sanitizer. Deterministic; no use for anything but fuzzing.
 */
extern const struct crypto crypto_null;

#endif
