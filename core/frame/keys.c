/* The keys and macs of sealed frames. */
#include "core/frame/keys.h"

#include "core/base/check.h"
#include "core/base/cursor.h"

_Static_assert((int)KEYS_SIZE == CRYPTO_BLAKE2S_SIZE, "what BLAKE2s gives is a key,");
_Static_assert((int)KEYS_SIZE == CRYPTO_AEAD_KEY_SIZE, "and of the AEADs");
_Static_assert((int)FRAME_MAC_SIZE == CRYPTO_BLAKE2S_MAC_SIZE, "mac1 and mac2 are BLAKE2s-128,");
_Static_assert((int)FRAME_COOKIE_SIZE == CRYPTO_BLAKE2S_MAC_SIZE, "and so is a cookie");
_Static_assert((int)FRAME_NONCE_SIZE == CRYPTO_XAEAD_NONCE_SIZE, "HELLO's nonce is XChaCha20's");

/* A label as a piece of what is hashed, without its terminating zero. */
#define LABEL(text) ((struct crypto_span){(const uint8_t *)(text), sizeof(text) - 1})

void keys_mac1(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
               const uint8_t receiver[static FRAME_KEY_SIZE])
{
    const struct crypto_span parts[] = {LABEL("warren mac1 v1"), {receiver, FRAME_KEY_SIZE}};
    crypto->blake2s(out, KEYS_SIZE, NULL, 0, parts, 2);
}

void keys_cookie(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                 const uint8_t receiver[static FRAME_KEY_SIZE])
{
    const struct crypto_span parts[] = {LABEL("warren cookie v1"), {receiver, FRAME_KEY_SIZE}};
    crypto->blake2s(out, KEYS_SIZE, NULL, 0, parts, 2);
}

void keys_mac(const struct crypto *crypto, uint8_t out[static FRAME_MAC_SIZE], const uint8_t *key,
              size_t key_size, const uint8_t *covered, size_t covered_size)
{
    check(key_size > 0 && key_size <= CRYPTO_BLAKE2S_KEY_MAX);
    const struct crypto_span parts[] = {{covered, covered_size}};
    crypto->blake2s(out, FRAME_MAC_SIZE, key, key_size, parts, 1);
}

void keys_hello(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                const struct keys_pair *pair)
{
    const struct crypto_span parts[] = {
        LABEL("warren hello v1"),
        {pair->initiator, FRAME_KEY_SIZE},
        {pair->responder, FRAME_KEY_SIZE},
    };
    crypto->blake2s(out, KEYS_SIZE, pair->secret, KEYS_SIZE, parts, 3);
}

void keys_welcome(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                  const struct keys_pair *pair, const uint8_t hello[static FRAME_NONCE_SIZE])
{
    const struct crypto_span parts[] = {
        LABEL("warren welcome v1"),
        {pair->initiator, FRAME_KEY_SIZE},
        {pair->responder, FRAME_KEY_SIZE},
        {hello, FRAME_NONCE_SIZE},
    };
    crypto->blake2s(out, KEYS_SIZE, pair->secret, KEYS_SIZE, parts, 4);
}

void keys_session(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                  const struct keys_pair *pair, const uint8_t hello[static FRAME_NONCE_SIZE],
                  const uint8_t welcome[static FRAME_NONCE_SIZE], bool of_responder)
{
    const uint8_t direction = of_responder ? 1 : 0;
    const struct crypto_span parts[] = {
        LABEL("warren session v1"),        {pair->initiator, FRAME_KEY_SIZE},
        {pair->responder, FRAME_KEY_SIZE}, {hello, FRAME_NONCE_SIZE},
        {welcome, FRAME_NONCE_SIZE},       {&direction, 1},
    };
    crypto->blake2s(out, KEYS_SIZE, pair->secret, KEYS_SIZE, parts, 6);
}

void keys_cookie_of(const struct crypto *crypto, uint8_t out[static FRAME_COOKIE_SIZE],
                    const uint8_t secret[static KEYS_SIZE], const struct addr *addr)
{
    size_t ip_size = addr_ip_size(addr);
    check(ip_size > 0);
    const uint8_t port[2] = {(uint8_t)(addr->port >> 8), (uint8_t)addr->port};
    const struct crypto_span parts[] = {{addr->ip, ip_size}, {port, sizeof port}};
    crypto->blake2s(out, FRAME_COOKIE_SIZE, secret, KEYS_SIZE, parts, 2);
}

void keys_nonce(uint8_t out[static CRYPTO_AEAD_NONCE_SIZE], uint64_t counter)
{
    struct writer w = writer_of(out, CRYPTO_AEAD_NONCE_SIZE);
    write_u32(&w, 0);
    write_u64(&w, counter);
    check(!w.failed && w.index == CRYPTO_AEAD_NONCE_SIZE);
}
