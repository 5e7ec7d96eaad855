/*
 * Cryptography for fuzzing that lets everything pass whose MAC bytes are zero, so that a fuzzer
 * gets behind it.
 */
#ifndef WARREN_FUZZ_NULL_CRYPTO_H
#define WARREN_FUZZ_NULL_CRYPTO_H

#include "core/base/crypto.h"

/*
 * Every hash, MAC, tag and signature is all zero bytes. Sealing copies and opening accepts any tag;
 * every signature is good. A public key is its private one, and a shared secret the exclusive or of
 * the two keys, the same from both sides. Each operation still reads all that it is given, so that
 * a wrong span is caught by the sanitizer. Deterministic; no use for anything but fuzzing.
 */
extern const struct crypto crypto_null;

#endif
