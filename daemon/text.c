/* Keys, addresses and times as people write and read them. */
#include "daemon/text.h"

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/check.h"

size_t text_parse_base64(uint8_t *to, size_t room, const char *text)
{
    size_t size = 0;
    const int done = sodium_base642bin(to, room, text, strlen(text), NULL, &size, NULL,
                                       sodium_base64_VARIANT_ORIGINAL);
    return done == 0 ? size : 0;
}

bool text_parse_key(uint8_t key[static TEXT_KEY_BYTES], const char *text)
{
    uint8_t bytes[TEXT_KEY_BYTES];
    const bool good = text_parse_base64(bytes, sizeof bytes, text) == sizeof bytes &&
                      !sodium_is_zero(bytes, sizeof bytes);
    if (good)
        memcpy(key, bytes, sizeof bytes);
    sodium_memzero(bytes, sizeof bytes);
    return good;
}

bool text_parse_ip(struct addr *addr, const char *text)
{
    uint8_t ip[16];
    if (inet_pton(AF_INET, text, ip) == 1) {
        *addr = addr_v4(
            (uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 | ip[3], 0);
        return true;
    }
    if (inet_pton(AF_INET6, text, ip) != 1)
        return false;
    const struct addr v6 = addr_v6(ip, 0);
    if (addr_is_mapped_v4(&v6))
        return false;
    *addr = v6;
    return true;
}

bool text_parse_number(uint64_t *number, const char *text, uint64_t low, uint64_t high)
{
    const size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 18 || text[digits] != 0)
        return false;
    const uint64_t value = strtoull(text, NULL, 10);
    if (value < low || value > high)
        return false;
    *number = value;
    return true;
}

/* Copies the part of a text before `end`; false when it does not fit. */
static bool take_part(char *to, size_t room, const char *text, const char *end)
{
    const size_t size = (size_t)(end - text);
    if (size >= room)
        return false;
    memcpy(to, text, size);
    to[size] = 0;
    return true;
}

bool text_parse_endpoint(struct addr *addr, const char *text)
{
    char ip[TEXT_ADDR_SIZE];
    const bool bracket = text[0] == '[';
    const char *colon = strrchr(text, ':');
    if (colon == NULL || (bracket && (colon < text + 2 || colon[-1] != ']')))
        return false;
    if (!take_part(ip, sizeof ip, text + bracket, colon - bracket))
        return false;
    struct addr found;
    uint64_t port;
    if (!text_parse_ip(&found, ip) || (found.family == ADDR_V6) != bracket ||
        !text_parse_number(&port, colon + 1, 1, UINT16_MAX))
        return false;
    *addr = addr_with_port(found, (uint16_t)port);
    return true;
}

bool text_parse_prefix(struct addr *addr, uint8_t *bits, const char *text)
{
    char ip[TEXT_ADDR_SIZE];
    const char *slash = strchr(text, '/');
    if (!take_part(ip, sizeof ip, text, slash != NULL ? slash : text + strlen(text)))
        return false;
    struct addr found;
    if (!text_parse_ip(&found, ip))
        return false;
    uint64_t number = 8 * addr_ip_size(&found);
    if (slash != NULL && !text_parse_number(&number, slash + 1, 0, number))
        return false;
    *addr = found;
    *bits = (uint8_t)number;
    return true;
}

const char *text_key(char to[static TEXT_KEY_SIZE], const uint8_t key[static TEXT_KEY_BYTES])
{
    sodium_bin2base64(to, TEXT_KEY_SIZE, key, TEXT_KEY_BYTES, sodium_base64_VARIANT_ORIGINAL);
    return to;
}

/* Without the port. */
static const char *text_ip(char to[static INET6_ADDRSTRLEN], const struct addr *addr)
{
    check(addr->family != ADDR_NONE);
    const char *text =
        inet_ntop(addr->family == ADDR_V4 ? AF_INET : AF_INET6, addr->ip, to, INET6_ADDRSTRLEN);
    check(text != NULL);
    return text;
}

const char *text_addr(char to[static TEXT_ADDR_SIZE], const struct addr *addr)
{
    char ip[INET6_ADDRSTRLEN];
    if (addr->family == ADDR_NONE)
        snprintf(to, TEXT_ADDR_SIZE, "none");
    else if (addr->port == 0)
        snprintf(to, TEXT_ADDR_SIZE, "%s", text_ip(ip, addr));
    else
        snprintf(to, TEXT_ADDR_SIZE, addr->family == ADDR_V4 ? "%s:%u" : "[%s]:%u",
                 text_ip(ip, addr), (unsigned)addr->port);
    return to;
}

const char *text_subnet(char to[static TEXT_ADDR_SIZE], const struct subnet *subnet)
{
    char ip[INET6_ADDRSTRLEN];
    if (subnet->addr.family == ADDR_NONE)
        snprintf(to, TEXT_ADDR_SIZE, "none");
    else
        snprintf(to, TEXT_ADDR_SIZE, "%s/%u", text_ip(ip, &subnet->addr), (unsigned)subnet->bits);
    return to;
}

const char *text_time(char to[static TEXT_TIME_SIZE], uint64_t seconds)
{
    static const uint64_t year_10000_s = UINT64_C(253402300800);
    struct tm tm;
    const time_t time = (time_t)(seconds < year_10000_s ? seconds : 0);
    if (seconds >= year_10000_s || gmtime_r(&time, &tm) == NULL ||
        strftime(to, TEXT_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(to, TEXT_TIME_SIZE, "never");
    return to;
}
