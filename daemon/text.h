/*
 * Keys, addresses and times as people write and read them. Keys are base64 as WireGuard's tools
 * write it: 32 bytes, 44 characters with the padding. Parsing takes a whole string and nothing
 * beside it, and on failure leaves what it was to fill in as it was.
 */
#ifndef WARREN_DAEMON_TEXT_H
#define WARREN_DAEMON_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"

enum {
    TEXT_KEY_BYTES = 32,
    TEXT_KEY_SIZE = 45, /* with the end of the string, as all of these */
    TEXT_ADDR_SIZE = 64,
    TEXT_TIME_SIZE = 32,
};

/* False for anything but 32 bytes in base64, zeros included: they stand for no key. */
bool text_parse_key(uint8_t key[static TEXT_KEY_BYTES], const char *text);
/* Bytes of base64 with padding: how many there were; 0 when it is none, or more than `room`. */
size_t text_parse_base64(uint8_t *to, size_t room, const char *text);

/* An IPv4 or IPv6 address, not an IPv4 address in IPv6 form; port 0. Unspecified is allowed. */
bool text_parse_ip(struct addr *addr, const char *text);
/* 192.0.2.1:51940 or [2001:db8::1]:51940. */
bool text_parse_endpoint(struct addr *addr, const char *text);
/* 10.64.0.1/22, or without the slash all bits: the address as it is written, and the bits. */
bool text_parse_prefix(struct addr *addr, uint8_t *bits, const char *text);
/* A number in decimal from low to high. */
bool text_parse_number(uint64_t *number, const char *text, uint64_t low, uint64_t high);

/* Each of these returns `to`. */
const char *text_key(char to[static TEXT_KEY_SIZE], const uint8_t key[static TEXT_KEY_BYTES]);
/* Without the port where it is 0; "none" for ADDR_NONE. */
const char *text_addr(char to[static TEXT_ADDR_SIZE], const struct addr *addr);
const char *text_subnet(char to[static TEXT_ADDR_SIZE], const struct subnet *subnet);
/* 2026-11-21T10:00:00Z; `seconds` since 1970. "never" where the year has more than four digits. */
const char *text_time(char to[static TEXT_TIME_SIZE], uint64_t seconds);

#endif
