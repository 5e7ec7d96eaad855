/*
 * STUN messages (RFC 8489, and the attributes of RFC 5780 and RFC 8445): bytes to struct and back.
 * No state, no allocation, no cryptography (that is core/stun/integrity.h). On the wire everything
 * is big-endian; in the structs numbers and ports are in host byte order.
 */
#ifndef WARREN_STUN_MESSAGE_H
#define WARREN_STUN_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/cursor.h"

enum {
    STUN_HEADER_SIZE = 20,
    STUN_ATTRIBUTE_HEADER_SIZE = 4,
    STUN_TRANSACTION_SIZE = 12,
    STUN_MESSAGE_MAX = 65507,       /* what an IPv4 UDP datagram can carry */
    STUN_USERNAME_MAX = 508,        /* RFC 8489, 14.3: fewer than 509 bytes */
    STUN_TEXT_CHARACTERS_MAX = 127, /* 14.8 to 14.10, 14.14: fewer than 128 characters, */
    STUN_TEXT_MAX = 763,            /* and at most this many bytes when decoding */
    STUN_DOMAIN_MAX = 255,          /* 14.16 */
    STUN_USERHASH_SIZE = 32,
    STUN_INTEGRITY_SIZE = 20,
    STUN_INTEGRITY_SHA256_SIZE_MIN = 16, /* 14.6: a truncated HMAC has at least this many bytes */
    STUN_INTEGRITY_SHA256_SIZE_MAX = 32,
    STUN_FINGERPRINT_SIZE = 4,
    STUN_UNKNOWN_MAX = 16, /* unknown types that are listed; those beyond are only counted */
};

#define STUN_COOKIE 0x2112a442u

/* RFC 8489, section 5: two bits of the message type. */
enum stun_class {
    STUN_REQUEST = 0,
    STUN_INDICATION = 1,
    STUN_SUCCESS = 2,
    STUN_ERROR = 3,
};

enum { STUN_METHOD_BINDING = 0x001, STUN_METHOD_MAX = 0xfff };

/* Types below 0x8000 must be understood for the message to be; the others may be skipped. */
enum stun_attribute {
    STUN_ATTRIBUTE_MAPPED_ADDRESS = 0x0001,
    STUN_ATTRIBUTE_CHANGE_REQUEST = 0x0003, /* RFC 5780 */
    STUN_ATTRIBUTE_USERNAME = 0x0006,
    STUN_ATTRIBUTE_MESSAGE_INTEGRITY = 0x0008,
    STUN_ATTRIBUTE_ERROR_CODE = 0x0009,
    STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES = 0x000a,
    STUN_ATTRIBUTE_REALM = 0x0014,
    STUN_ATTRIBUTE_NONCE = 0x0015,
    STUN_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256 = 0x001c,
    STUN_ATTRIBUTE_PASSWORD_ALGORITHM = 0x001d,
    STUN_ATTRIBUTE_USERHASH = 0x001e,
    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS = 0x0020,
    STUN_ATTRIBUTE_PRIORITY = 0x0024,      /* RFC 8445 */
    STUN_ATTRIBUTE_USE_CANDIDATE = 0x0025, /* RFC 8445 */
    STUN_ATTRIBUTE_PADDING = 0x0026,       /* RFC 5780 */
    STUN_ATTRIBUTE_RESPONSE_PORT = 0x0027, /* RFC 5780 */
    STUN_ATTRIBUTE_PASSWORD_ALGORITHMS = 0x8002,
    STUN_ATTRIBUTE_ALTERNATE_DOMAIN = 0x8003,
    STUN_ATTRIBUTE_SOFTWARE = 0x8022,
    STUN_ATTRIBUTE_ALTERNATE_SERVER = 0x8023,
    STUN_ATTRIBUTE_CACHE_TIMEOUT = 0x8027, /* RFC 5780 */
    STUN_ATTRIBUTE_FINGERPRINT = 0x8028,
    STUN_ATTRIBUTE_ICE_CONTROLLED = 0x8029,  /* RFC 8445 */
    STUN_ATTRIBUTE_ICE_CONTROLLING = 0x802a, /* RFC 8445 */
    STUN_ATTRIBUTE_RESPONSE_ORIGIN = 0x802b, /* RFC 5780 */
    STUN_ATTRIBUTE_OTHER_ADDRESS = 0x802c,   /* RFC 5780; CHANGED-ADDRESS in older texts */
};

/* One bit for each attribute in stun_message.has. */
enum stun_has {
    STUN_HAS_MAPPED_ADDRESS = 1 << 0,
    STUN_HAS_CHANGE_REQUEST = 1 << 1,
    STUN_HAS_USERNAME = 1 << 2,
    STUN_HAS_INTEGRITY = 1 << 3,
    STUN_HAS_ERROR_CODE = 1 << 4,
    STUN_HAS_UNKNOWN_ATTRIBUTES = 1 << 5,
    STUN_HAS_REALM = 1 << 6,
    STUN_HAS_NONCE = 1 << 7,
    STUN_HAS_INTEGRITY_SHA256 = 1 << 8,
    STUN_HAS_PASSWORD_ALGORITHM = 1 << 9,
    STUN_HAS_USERHASH = 1 << 10,
    STUN_HAS_XOR_MAPPED_ADDRESS = 1 << 11,
    STUN_HAS_PRIORITY = 1 << 12,
    STUN_HAS_USE_CANDIDATE = 1 << 13,
    STUN_HAS_PADDING = 1 << 14,
    STUN_HAS_RESPONSE_PORT = 1 << 15,
    STUN_HAS_PASSWORD_ALGORITHMS = 1 << 16,
    STUN_HAS_ALTERNATE_DOMAIN = 1 << 17,
    STUN_HAS_SOFTWARE = 1 << 18,
    STUN_HAS_ALTERNATE_SERVER = 1 << 19,
    STUN_HAS_CACHE_TIMEOUT = 1 << 20,
    STUN_HAS_FINGERPRINT = 1 << 21,
    STUN_HAS_ICE_CONTROLLED = 1 << 22,
    STUN_HAS_ICE_CONTROLLING = 1 << 23,
    STUN_HAS_RESPONSE_ORIGIN = 1 << 24,
    STUN_HAS_OTHER_ADDRESS = 1 << 25,
};

/* RFC 8489, 14.8 and 14.15; RFC 8445, 7.3.1.1. */
enum stun_code {
    STUN_CODE_TRY_ALTERNATE = 300,
    STUN_CODE_BAD_REQUEST = 400,
    STUN_CODE_UNAUTHENTICATED = 401,
    STUN_CODE_UNKNOWN_ATTRIBUTE = 420,
    STUN_CODE_STALE_NONCE = 438,
    STUN_CODE_ROLE_CONFLICT = 487,
    STUN_CODE_SERVER_ERROR = 500,
};

/* RFC 8489, 18.5.1. */
enum stun_password_algorithm {
    STUN_PASSWORD_MD5 = 1,
    STUN_PASSWORD_SHA256 = 2,
};

/* Why a datagram is not a message. */
enum stun_error {
    STUN_OK = 0,
    STUN_TOO_SHORT,            /* fewer bytes than a header */
    STUN_FIRST_BITS,           /* the two bits that tell STUN from other protocols are not zero */
    STUN_BAD_COOKIE,           /* not 0x2112a442 */
    STUN_LENGTH_UNALIGNED,     /* the length field is not a multiple of four */
    STUN_LENGTH_MISMATCH,      /* the length field disagrees with the datagram */
    STUN_ATTRIBUTE_OVERRUN,    /* an attribute reaches past the message's end */
    STUN_ATTRIBUTE_SIZE,       /* an attribute's length is none that its type allows */
    STUN_ATTRIBUTE_TEXT,       /* a text or a domain is longer than its limit */
    STUN_ADDRESS_FAMILY,       /* neither IPv4 nor IPv6, or not of the attribute's length */
    STUN_ADDRESS_PORT,         /* port 0 where it can only be a lie */
    STUN_BAD_ERROR_CODE,       /* class not 3 to 6, or number over 99 */
    STUN_BAD_ALGORITHMS,       /* PASSWORD-ALGORITHM(S) whose parameters do not fit */
    STUN_FINGERPRINT_NOT_LAST, /* an attribute follows FINGERPRINT */
    STUN_BAD_FINGERPRINT,      /* never from stun_decode(): for callers that check it, in traces */
    STUN_ERROR_COUNT
};

/*
 * Bytes inside the decoded datagram: the host's, for as long as the datagram is. Not terminated by
 * a zero.
 */
struct stun_span {
    const uint8_t *bytes;
    size_t size;
};

/* A decoded message, or one to be encoded. Fields whose bit is not in `has` are zero. */
struct stun_message {
    const uint8_t *bytes; /* the datagram it was decoded from */
    size_t size;
    uint16_t method; /* at most STUN_METHOD_MAX */
    uint8_t class;   /* enum stun_class */
    uint8_t transaction[STUN_TRANSACTION_SIZE];
    uint32_t has; /* enum stun_has */

    struct addr mapped_address;
    struct addr xor_mapped_address; /* in the clear */
    struct addr alternate_server;
    struct addr response_origin;
    struct addr other_address;

    struct stun_span username;
    struct stun_span realm;
    struct stun_span nonce;
    struct stun_span software;
    struct stun_span alternate_domain;
    struct stun_span userhash; /* STUN_USERHASH_SIZE bytes */
    struct stun_span padding;

    uint16_t error_code;           /* 300 to 699 */
    struct stun_span error_reason; /* may be empty */

    struct stun_span unknown_attributes;  /* big-endian types: stun_unknown_attribute() */
    struct stun_span password_algorithms; /* a list: stun_next_algorithm() */
    uint16_t password_algorithm;          /* enum stun_password_algorithm, or an unknown one */
    struct stun_span password_parameters; /* of password_algorithm */

    uint32_t priority;
    uint64_t ice_controlled;
    uint64_t ice_controlling;
    bool change_ip; /* CHANGE-REQUEST */
    bool change_port;
    uint16_t response_port;
    uint32_t cache_timeout_s;

    /* Where integrity.h finds what it checks: offsets of the attributes' headers in `bytes`. */
    uint32_t integrity_at;
    uint32_t integrity_sha256_at;
    uint32_t integrity_sha256_size; /* 16 to 32, a multiple of 4 */
    uint32_t fingerprint_at;

    /*
     * Types below 0x8000 that this codec does not know, each once, in order of appearance: what a
     * 420 error lists. When `unknown_count` is larger than STUN_UNKNOWN_MAX, only that many are
     * listed.
     */
    uint16_t unknown[STUN_UNKNOWN_MAX];
    uint16_t unknown_count;
};

/*
 * The cheap test that tells STUN from what else arrives at a socket (RFC 8489, section 5; RFC
 * 7983): a whole header, two zero bits, the magic cookie, a length field that is a multiple of four
 * and fits the datagram exactly. Decoding may still fail.
 */
bool stun_is_message(const uint8_t *bytes, size_t length);

/*
 * Decodes a whole datagram. The message borrows `bytes`. The first occurrence of an attribute
 * counts (RFC 8489, section 14); after MESSAGE-INTEGRITY only MESSAGE-INTEGRITY-SHA256 and
 * FINGERPRINT count, after that only FINGERPRINT. On an error the message is all zero. Neither
 * integrity nor fingerprint is checked here.
 */
enum stun_error stun_decode(struct stun_message *message, const uint8_t *bytes, size_t length);

/* A short lower-case name for traces: "bad-cookie". */
const char *stun_error_name(enum stun_error error);

bool stun_has(const struct stun_message *message, enum stun_has bit);

/* The types in an UNKNOWN-ATTRIBUTES attribute. */
size_t stun_unknown_attribute_count(const struct stun_message *message);
uint16_t stun_unknown_attribute(const struct stun_message *message, size_t index);

/* One entry of PASSWORD-ALGORITHMS. */
struct stun_algorithm {
    uint16_t number; /* enum stun_password_algorithm, or one that is not known */
    struct stun_span parameters;
};
/* Walks a decoded list: *index starts at 0; false at the end. */
bool stun_next_algorithm(struct stun_span list, size_t *index, struct stun_algorithm *algorithm);

/*
 * A message being written into a caller's buffer. Errors are sticky: what does not fit, or breaks a
 * limit that the decoder holds others to, makes stun_end() return 0. Order is the caller's:
 * integrity after what it covers, FINGERPRINT last; anything put after them breaks a check.
 */
struct stun_writer {
    struct writer out;
    uint8_t pad;   /* fills attributes up to four bytes: 0, unless set after stun_begin() */
    uint8_t stage; /* private: which of the attributes that close a message are in place */
};

struct stun_writer stun_begin(uint8_t *buffer, size_t capacity, enum stun_class class,
                              uint16_t method,
                              const uint8_t transaction[static STUN_TRANSACTION_SIZE]);
/* The message's size in bytes; 0 when it failed. */
size_t stun_end(struct stun_writer *w);

void stun_put_mapped_address(struct stun_writer *w, const struct addr *addr);
void stun_put_xor_mapped_address(struct stun_writer *w, const struct addr *addr);
void stun_put_alternate_server(struct stun_writer *w, const struct addr *addr);
void stun_put_response_origin(struct stun_writer *w, const struct addr *addr);
void stun_put_other_address(struct stun_writer *w, const struct addr *addr);
void stun_put_username(struct stun_writer *w, const void *text, size_t size);
void stun_put_userhash(struct stun_writer *w, const uint8_t hash[static STUN_USERHASH_SIZE]);
void stun_put_realm(struct stun_writer *w, const void *text, size_t size);
void stun_put_nonce(struct stun_writer *w, const void *text, size_t size);
void stun_put_software(struct stun_writer *w, const void *text, size_t size);
void stun_put_alternate_domain(struct stun_writer *w, const void *text, size_t size);
/* `code` is 300 to 699 with a number of at most 99. */
void stun_put_error_code(struct stun_writer *w, uint16_t code, const void *reason,
                         size_t reason_size);
void stun_put_unknown_attributes(struct stun_writer *w, const uint16_t *types, size_t count);
void stun_put_password_algorithm(struct stun_writer *w, const struct stun_algorithm *algorithm);
void stun_put_password_algorithms(struct stun_writer *w, const struct stun_algorithm *list,
                                  size_t count);
void stun_put_priority(struct stun_writer *w, uint32_t priority);
void stun_put_use_candidate(struct stun_writer *w);
void stun_put_ice_controlled(struct stun_writer *w, uint64_t tie_breaker);
void stun_put_ice_controlling(struct stun_writer *w, uint64_t tie_breaker);
void stun_put_change_request(struct stun_writer *w, bool change_ip, bool change_port);
/* `size` zero bytes. */
void stun_put_padding(struct stun_writer *w, size_t size);
void stun_put_response_port(struct stun_writer *w, uint16_t port);
void stun_put_cache_timeout(struct stun_writer *w, uint32_t timeout_s);
/* Any attribute by type and value: for types that the codec does not know. */
void stun_put_attribute(struct stun_writer *w, uint16_t type, const void *value, size_t size);

/*
 * Writes every attribute that the message has, except integrity and FINGERPRINT, which need a key
 * or the bytes: append those with integrity.h before stun_end(). Unknown types are not written.
 * PADDING keeps its size, not its bytes.
 */
struct stun_writer stun_begin_from(uint8_t *buffer, size_t capacity,
                                   const struct stun_message *message);

#endif
