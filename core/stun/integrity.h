/*
 * MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT of STUN messages (RFC 8489, 14.5 to
 * 14.7): keys, appending, checking. Texts are taken as they are: preparing them (OpaqueString, RFC
 * 8265) is the caller's, and changes nothing in texts that are printable ASCII.
 */
#ifndef WARREN_STUN_INTEGRITY_H
#define WARREN_STUN_INTEGRITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/crypto.h"
#include "core/stun/message.h"

/*
 * CRC-32 of ISO 3309 and ITU-T V.42 over `size` bytes; `before` is 0, or the value over what stood
 * in front of them.
 */
uint32_t stun_crc32(uint32_t before, const uint8_t *bytes, size_t size);

/*
 * Short-term credentials (RFC 8489, section 9.1.1): the password is the key. Borrows the password.
 */
struct stun_span stun_key_short_term(const void *password, size_t size);
/* Long-term credentials (section 9.2.2): hash(username ":" realm ":" password). */
void stun_key_long_term_md5(const struct crypto *crypto, uint8_t key[static CRYPTO_MD5_SIZE],
                            struct stun_span username, struct stun_span realm,
                            struct stun_span password);
void stun_key_long_term_sha256(const struct crypto *crypto, uint8_t key[static CRYPTO_SHA256_SIZE],
                               struct stun_span username, struct stun_span realm,
                               struct stun_span password);
/* What USERHASH carries (14.4): SHA-256(username ":" realm). */
void stun_userhash(const struct crypto *crypto, uint8_t hash[static STUN_USERHASH_SIZE],
                   struct stun_span username, struct stun_span realm);

/* Append to a message; each may be called once, in this order. */
void stun_put_integrity(struct stun_writer *w, const struct crypto *crypto, const uint8_t *key,
                        size_t key_size);
/* `size` is 16 to 32 bytes and a multiple of 4; 32 unless the other side agreed to less. */
void stun_put_integrity_sha256(struct stun_writer *w, const struct crypto *crypto,
                               const uint8_t *key, size_t key_size, size_t size);
void stun_put_fingerprint(struct stun_writer *w);

/*
 * Check a decoded message against the datagram that it still borrows. False when the attribute is
 * missing or wrong. The comparison takes the same time wherever the bytes differ.
 */
bool stun_check_integrity(const struct stun_message *message, const struct crypto *crypto,
                          const uint8_t *key, size_t key_size);
/*
 * Takes whatever truncation the sender chose: a caller that wants more looks at
 * integrity_sha256_size.
 */
bool stun_check_integrity_sha256(const struct stun_message *message, const struct crypto *crypto,
                                 const uint8_t *key, size_t key_size);
bool stun_check_fingerprint(const struct stun_message *message);

#endif
