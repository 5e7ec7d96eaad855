/*
 * Published STUN messages that several tests use: RFC 5769, and RFC 8489 appendix B.1. Hexadecimal.
 */
#ifndef WARREN_STUN_VECTORS_TEST_H
#define WARREN_STUN_VECTORS_TEST_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* RFC 5769, 2.1: a request with short-term credentials; padded with spaces. */
#define VECTOR_REQUEST \
    "000100582112a442b7e7a701bc34d686fa87dfae" \
    "802200105354554e207465737420636c69656e74" \
    "002400046e0001ff" \
    "80290008932ff9b151263b36" \
    "000600096576746a3a68367659202020" \
    "000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2" \
    "80280004e57a3bcf"

/* RFC 5769, 2.2: an IPv4 response. */
#define VECTOR_RESPONSE_V4 \
    "0101003c2112a442b7e7a701bc34d686fa87dfae" \
    "8022000b7465737420766563746f7220" \
    "002000080001a147e112a643" \
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7" \
    "80280004c07d4c96"

/* RFC 5769, 2.3: an IPv6 response. */
#define VECTOR_RESPONSE_V6 \
    "010100482112a442b7e7a701bc34d686fa87dfae" \
    "8022000b7465737420766563746f7220" \
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9" \
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41" \
    "80280004c8fb0b4c"

#define VECTOR_PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"
#define VECTOR_TRANSACTION "b7e7a701bc34d686fa87dfae"

/* RFC 5769, 2.4: a request with long-term credentials; padded with zeros, without FINGERPRINT. */
#define VECTOR_LONG_TERM \
    "000100602112a44278ad3433c6ad72c029da412e" \
    "00060012e3839ee38388e383aae38383e382afe382b90000" \
    "0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341" \
    "0014000b6578616d706c652e6f726700" \
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"

/* The same user after OpaqueString, with the password that the RFC gives after SASLprep. */
#define LONG_TERM_USER "\xe3\x83\x9e\xe3\x83\x88\xe3\x83\xaa\xe3\x83\x83\xe3\x82\xaf\xe3\x82\xb9"
#define LONG_TERM_REALM "example.org"
#define LONG_TERM_PASSWORD "TheMatrIX"
#define LONG_TERM_NONCE "f//499k954d6OL34oL9FSTvy64sA"
#define LONG_TERM_TRANSACTION "78ad3433c6ad72c029da412e"

#define SHA256_ATTRIBUTES \
    "001e00204a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704" \
    "001500296f624d61744a6f733241414143662f2f3439396b39353464364f4c33346f4c394653547679363473" \
    "41000000" \
    "0014000b6578616d706c652e6f726700"

/*
 * RFC 8489, B.1, as printed: its length field says 156, which is the size of the whole message with
 * its header, where 136 would be right. A strict decoder refuses it.
 */
#define VECTOR_SHA256_PRINTED \
    "0001009c2112a44278ad3433c6ad72c029da412e" SHA256_ATTRIBUTES \
    "001c0020e4686c8f0edeb59013e07090010a93efccbccc544c0a45d9f830aa6d6f735a01"

/* The same with the length that it has and the HMAC that belongs to it. */
#define VECTOR_SHA256 \
    "000100882112a44278ad3433c6ad72c029da412e" SHA256_ATTRIBUTES \
    "001c0020234112fbd4e27f983eb4032836f998216f5b23f8d927753fbc4f882bfbdf0dec"

#define SHA256_NONCE "obMatJos2AAACf//499k954d6OL34oL9FSTvy64sA"

static inline uint8_t hex_digit(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

/* A block of exactly the bytes that `hex` spells, so that a sanitizer sees a read past its end. */
static inline uint8_t *from_hex(const char *hex, size_t *size)
{
    *size = strlen(hex) / 2;
    uint8_t *bytes = malloc(*size > 0 ? *size : 1);
    if (bytes == NULL)
        abort();
    for (size_t i = 0; i < *size; i++)
        bytes[i] = (uint8_t)(hex_digit(hex[2 * i]) << 4 | hex_digit(hex[2 * i + 1]));
    return bytes;
}

/* The first `size` bytes in a block of exactly that size. */
static inline uint8_t *exact_copy(const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    if (copy == NULL)
        abort();
    if (size > 0)
        memcpy(copy, bytes, size);
    return copy;
}

#endif
