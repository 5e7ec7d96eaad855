/*
 * Fuzzes the codecs of control messages and of probes' bodies: any bytes are decoded as both; what
 * is accepted must be written again as the same bytes, into exactly the room that it takes.
 */
#include "core/base/check.h"
#include "core/punch/message.h"
#include "fuzz/harness.h"

static void check_message(const struct punch_message *message, const uint8_t *data, size_t size)
{
    check(size <= PUNCH_MESSAGE_MAX);
    uint8_t *room = malloc(size);
    check(room != NULL);
    size_t written = punch_encode(message, room, size);
    check(written == size && memcmp(room, data, size) == 0);
    size_t shorter = punch_encode(message, room, size - 1);
    check(shorter == 0);
    free(room);
    const struct frame_span *introduction = &message->party.introduction;
    check(introduction->size <= PUNCH_INTRODUCTION_MAX);
    if (introduction->size > 0)
        check(introduction->bytes > data && introduction->bytes + introduction->size < data + size);
    for (size_t i = 0; i < message->party.candidate_count; i++)
        check(addr_is_unicast(&message->party.candidates[i].addr));
}

static void check_probe(const struct punch_probe *probe, const uint8_t *data, size_t size)
{
    check(size <= PUNCH_PROBE_SIZE_MAX);
    uint8_t *room = malloc(size);
    check(room != NULL);
    size_t written = punch_probe_encode(probe, room, size);
    check(written == size && memcmp(room, data, size) == 0);
    size_t shorter = punch_probe_encode(probe, room, size - 1);
    check(shorter == 0);
    free(room);
    /* Whatever two sides claim to have found, there is a reason, and it is the same for both. */
    const struct reason_side other = {.nat = STUN_NAT_PRESENT,
                                      .mapping = STUN_MAPPING_APDM,
                                      .filtering = STUN_FILTERING_ADF,
                                      .pooling = STUN_POOLING_ARBITRARY};
    enum reason reason = reason_relayed(&probe->side, &other, true);
    check(reason == reason_relayed(&other, &probe->side, true));
    check((reason_name(reason)[0] == 0) == (probe->side.nat == STUN_NAT_UNKNOWN));
}

void fuzz_one(const uint8_t *data, size_t size)
{
    struct punch_message message;
    struct punch_probe probe;
    enum punch_error error = punch_decode(&message, data, size);
    check(punch_error_name(error)[0] != '?');
    if (error == PUNCH_OK)
        check_message(&message, data, size);
    else
        check(message.type == 0 && message.party.introduction.bytes == NULL);
    error = punch_probe_decode(&probe, data, size);
    check(punch_error_name(error)[0] != '?');
    if (error == PUNCH_OK)
        check_probe(&probe, data, size);
    else
        check(probe.ack_count == 0 && probe.flags == 0);
}
