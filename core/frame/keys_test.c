/*
 * Tests of core/frame/keys.c. The expected values were computed from docs/protocol.md with another
 * implementation of BLAKE2s (Python's hashlib).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/frame/keys.h"
#include "crypto/crypto.h"
#include "crypto/crypto_test.h"

/* Bytes that count up from these. */
enum { INITIATOR = 1, RESPONDER = 65, SECRET = 129, HELLO = 0, WELCOME = 100 };

static uint8_t initiator[32], responder[32], secret[32], hello[24], welcome[24];

static void count_up(uint8_t *to, size_t size, unsigned from)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(from + i);
}

static int setup(void **state)
{
    (void)state;
    count_up(initiator, sizeof initiator, INITIATOR);
    count_up(responder, sizeof responder, RESPONDER);
    count_up(secret, sizeof secret, SECRET);
    count_up(hello, sizeof hello, HELLO);
    count_up(welcome, sizeof welcome, WELCOME);
    return 0;
}

static void assert_hex(const uint8_t *bytes, const char *hex)
{
    uint8_t expected[64];
    size_t size = unhex(expected, hex);
    assert_memory_equal(bytes, expected, size);
}

static void test_keys(void **state)
{
    (void)state;
    const struct keys_pair pair = {secret, initiator, responder};
    uint8_t out[KEYS_SIZE];
    keys_mac1(&crypto_real, out, responder);
    assert_hex(out, "a2d370b3c462e2cdb8e60c948283fdb2e1b908b932f1e6813a0235e38449a878");
    keys_cookie(&crypto_real, out, responder);
    assert_hex(out, "55006c170cb015cec43642cd15552cba5e19e9014336cb8638a010dcb728e842");
    keys_hello(&crypto_real, out, &pair);
    assert_hex(out, "f8fa1aa562ed091e9a7644d7f886b4db8272bfd33b657149c101535be9a9d02c");
    keys_welcome(&crypto_real, out, &pair, hello);
    assert_hex(out, "0d1eb9d56de290004d7cf5dcba205b98c8b7f6f49cc1c96c2333d04f3b6d131b");
    keys_session(&crypto_real, out, &pair, hello, welcome, false);
    assert_hex(out, "b7d58413f42e7a94cba35394acde307ea39f70ba4caa00a5ae89a788fb5577de");
    keys_session(&crypto_real, out, &pair, hello, welcome, true);
    assert_hex(out, "643372704d059a012e2bdaa9467c848ce6ed44c1d782d1388bdfc76587442dfc");
}

static void test_macs(void **state)
{
    (void)state;
    static const uint8_t covered[] = {'c', 'o', 'v', 'e', 'r', 'e', 'd',
                                      ' ', 'b', 'y', 't', 'e', 's'};
    uint8_t key[32], out[FRAME_MAC_SIZE];
    count_up(key, sizeof key, 0);
    keys_mac(&crypto_real, out, key, 32, covered, sizeof covered);
    assert_hex(out, "93517b833b94ad3a19e5ff5069b74ea2");
    keys_mac(&crypto_real, out, key, 16, covered, sizeof covered);
    assert_hex(out, "7fb9f73ee3cf07060d87c73eae811b8a");
}

static void test_cookies(void **state)
{
    (void)state;
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7};
    struct addr v4 = addr_v4(0xc0000201, 51820), v6 = addr_v6(ip6, 51820);
    uint8_t out[FRAME_COOKIE_SIZE];
    keys_cookie_of(&crypto_real, out, secret, &v4);
    assert_hex(out, "1c23660e21626406d9230aa58ac48aa9");
    keys_cookie_of(&crypto_real, out, secret, &v6);
    assert_hex(out, "d40625337fa13141a7fd928292a12d95");
}

static void test_nonce(void **state)
{
    (void)state;
    static const uint8_t expected[12] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t out[CRYPTO_AEAD_NONCE_SIZE];
    keys_nonce(out, UINT64_C(0x0102030405060708));
    assert_memory_equal(out, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_keys, setup),
        cmocka_unit_test_setup(test_macs, setup),
        cmocka_unit_test_setup(test_cookies, setup),
        cmocka_unit_test_setup(test_nonce, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
