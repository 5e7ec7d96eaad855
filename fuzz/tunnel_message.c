/*
 * Fuzzes the codec of WireGuard's messages: any bytes are decoded as what they say that they are,
 * and what was decoded must be written again as the same bytes.
 */
#include "core/base/check.h"
#include "core/tunnel/message.h"
#include "fuzz/harness.h"

static void check_data(const uint8_t *data, size_t size)
{
    struct tunnel_data message;
    uint8_t header[TUNNEL_DATA_HEADER_SIZE];
    tunnel_data_decode(&message, data, size);
    check(message.sealed == data + sizeof header);
    check(message.sealed_size == size - sizeof header);
    check(message.sealed_size >= CRYPTO_AEAD_TAG_SIZE);
    tunnel_data_header_encode(message.receiver, message.counter, header);
    check(memcmp(header, data, sizeof header) == 0);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    uint8_t again[TUNNEL_INITIATION_SIZE];
    struct tunnel_initiation initiation;
    struct tunnel_response response;
    struct tunnel_cookie cookie;
    switch (tunnel_message_type(data, size)) {
    case TUNNEL_INITIATION:
        check(size == TUNNEL_INITIATION_SIZE);
        tunnel_initiation_decode(&initiation, data, size);
        tunnel_initiation_encode(&initiation, again);
        check(memcmp(again, data, size) == 0);
        break;
    case TUNNEL_RESPONSE:
        check(size == TUNNEL_RESPONSE_SIZE);
        tunnel_response_decode(&response, data, size);
        tunnel_response_encode(&response, again);
        check(memcmp(again, data, size) == 0);
        break;
    case TUNNEL_COOKIE:
        check(size == TUNNEL_COOKIE_REPLY_SIZE);
        tunnel_cookie_decode(&cookie, data, size);
        tunnel_cookie_encode(&cookie, again);
        check(memcmp(again, data, size) == 0);
        break;
    case TUNNEL_DATA:
        check_data(data, size);
        break;
    case TUNNEL_NO_MESSAGE:
        break;
    }
}
