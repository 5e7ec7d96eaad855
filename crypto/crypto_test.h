/* What the tests of the cryptographic operations share: vectors are written in hexadecimal. */
#ifndef WARREN_CRYPTO_CRYPTO_TEST_H
#define WARREN_CRYPTO_CRYPTO_TEST_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* Writes what lower-case `hex` stands for and returns its size. */
static inline size_t unhex(uint8_t *to, const char *hex)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return size;
}

#endif
