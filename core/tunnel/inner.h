/*
 * The headers of IP packets inside the tunnel, as far as routing needs them: RFC 791, section 3.1,
 * and RFC 8200, section 3.
 */
#ifndef WARREN_TUNNEL_INNER_H
#define WARREN_TUNNEL_INNER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"

struct inner {
    struct addr source; /* port 0 */
    struct addr destination;
    uint32_t size; /* of the packet by its own header: what is behind is padding */
};

/*
 * False when the bytes are no IP packet, or fewer than its header says. Only lengths and version
 * are looked at: the rest is the business of whoever gets the packet.
 */
bool inner_parse(struct inner *inner, const uint8_t *bytes, size_t size);
/*
 * Takes one hop off the packet's life and mends the IPv4 header's checksum (RFC 1624); false, with
 * nothing changed, when it was its last. The packet has been parsed: checked.
 */
bool inner_hop(uint8_t *bytes, size_t size);

#endif
