/*
 * Tests of bytes as packets: packets made by hand from RFC 791, RFC 8200, RFC 768, RFC 793, RFC 792
 * and RFC 4443 become fields and the same bytes again, and what is none is refused for its reason.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fragment.h"
#include "sim/icmp.h"
#include "sim/wire.h"

enum { VECTOR_MAX = 256 };

/* From 192.0.2.1 to 198.51.100.7, or from 2001:db8::1 to 2001:db8:0:7::9; an error quotes a packet
 * from there to 203.0.113.5, or to 2001:db8:0:9::5. */
struct good {
    const char *name;
    const char *hex;
    uint32_t data;
    uint32_t id;
    uint16_t source; /* ports */
    uint16_t destination;
    uint16_t sequence;
    uint8_t protocol;
    uint8_t icmp;
    uint8_t ttl;
    uint8_t tcp_flags;
    bool v6;
    bool dont_fragment;
    bool changes; /* written again, it is not the same: something in it is not kept */
    struct packet_quote quote;
    uint16_t quoted_source;
    uint16_t quoted_destination;
};

struct bad {
    const char *name;
    enum wire_result result;
    const char *hex;
};

/* clang-format off */
static const struct good good[] = {
    {.name = "UDP over IPv4",
     .hex = "45000020123440003911435dc0000201c633640712345678000ce62661626364",
     .protocol = PACKET_UDP,
     .source = 4660, .destination = 22136,
     .data = 4,
     .id = 0x1234,
     .ttl = 57,
     .dont_fragment = true},
    {.name = "UDP of odd length",
     .hex = "4500001f123400003911835ec0000201c633640712345678000be68c616263",
     .protocol = PACKET_UDP,
     .source = 4660, .destination = 22136,
     .data = 3,
     .id = 0x1234,
     .ttl = 57},
    {.name = "UDP without data",
     .hex = "4500001c123400000111bb61c0000201c63364070001ffff000813a1",
     .protocol = PACKET_UDP,
     .source = 1, .destination = 65535,
     .data = 0,
     .id = 0x1234,
     .ttl = 1},
    {.name = "UDP without a checksum over IPv4",
     .hex = "45000020123400003911835dc0000201c633640712345678000c000061626364",
     .protocol = PACKET_UDP,
     .source = 4660, .destination = 22136,
     .data = 4,
     .id = 0x1234,
     .ttl = 57,
     .changes = true},
    {.name = "UDP behind IPv4 options",
     .hex = "46000024123400003911ee54c0000201c63364079404000012345678000ce62661626364",
     .protocol = PACKET_UDP,
     .source = 4660, .destination = 22136,
     .data = 4,
     .id = 0x1234,
     .ttl = 57,
     .changes = true},
    {.name = "UDP with a traffic class over IPv4",
     .hex = "45b8002012340000391182a5c0000201c633640712345678000ce62661626364",
     .protocol = PACKET_UDP,
     .source = 4660, .destination = 22136,
     .data = 4,
     .id = 0x1234,
     .ttl = 57,
     .changes = true},
    {.name = "UDP with bytes behind it",
     .hex = "45000020123400003911835dc0000201c633640712345678000ce626616263640000",
     .protocol = PACKET_UDP,
     .source = 4660, .destination = 22136,
     .data = 4,
     .id = 0x1234,
     .ttl = 57,
     .changes = true},
    {.name = "UDP over IPv6",
     .hex = "60000000000c113920010db800000000000000000000000120010db80000000700000000"
            "0000000912345678000c76e061626364",
     .protocol = PACKET_UDP,
     .v6 = true,
     .source = 4660, .destination = 22136,
     .data = 4,
     .ttl = 57},
    {.name = "UDP over IPv6 in an atomic fragment (RFC 6946)",
     .hex = "6000000000142c3920010db800000000000000000000000120010db80000000700000000"
            "00000009110000000000000912345678000c76e061626364",
     .protocol = PACKET_UDP,
     .v6 = true,
     .source = 4660, .destination = 22136,
     .data = 4,
     .id = 0x9,
     .ttl = 57,
     .changes = true},
    {.name = "TCP SYN with options over IPv4",
     .hex = "4500003c0000400039065580c0000201c63364079c4101bb0102030400000000a002faf0"
            "becf0000020405b40402080a000000010000000001030307",
     .protocol = PACKET_TCP,
     .source = 40001, .destination = 443,
     .data = 40,
     .ttl = 57,
     .tcp_flags = 2,
     .dont_fragment = true},
    {.name = "TCP data, FIN and PSH over IPv4",
     .hex = "4500002d123400003906835bc0000201c63364079c4101bb01020304000000075019faf0"
            "5c270003474554202f",
     .protocol = PACKET_TCP,
     .source = 40001, .destination = 443,
     .data = 25,
     .id = 0x1234,
     .ttl = 57,
     .tcp_flags = 1},
    {.name = "TCP reset over IPv6",
     .hex = "600000000014063920010db800000000000000000000000120010db80000000700000000"
            "000000099c4101bb01020304000000005014faf0b75a0000",
     .protocol = PACKET_TCP,
     .v6 = true,
     .source = 40001, .destination = 443,
     .data = 20,
     .ttl = 57,
     .tcp_flags = 4},
    {.name = "TCP with ECN bits over IPv6",
     .hex = "60000000002b063920010db800000000000000000000000120010db80000000700000000"
            "000000099c4101bb0102030400000000a0c2faf05c4c0000020405b40402080a00000001"
            "000000000103030778797a",
     .protocol = PACKET_TCP,
     .v6 = true,
     .source = 40001, .destination = 443,
     .data = 43,
     .ttl = 57,
     .tcp_flags = 2},
    {.name = "echo request over IPv4",
     .hex = "45000020123400003901836dc0000201c6336407080008061122000770696e67",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_ECHO_REQUEST,
     .source = 4386, .destination = 4386,
     .data = 4,
     .id = 0x1234,
     .sequence = 0x7,
     .ttl = 57},
    {.name = "echo reply over IPv4",
     .hex = "45000020123400003901836dc0000201c6336407000010061122000770696e67",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_ECHO_REPLY,
     .source = 4386, .destination = 4386,
     .data = 4,
     .id = 0x1234,
     .sequence = 0x7,
     .ttl = 57},
    {.name = "echo request over IPv6",
     .hex = "6000000000083a3920010db800000000000000000000000120010db80000000700000000"
            "00000009800013181122ffff",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_ECHO_REQUEST,
     .source = 4386, .destination = 4386,
     .data = 0,
     .sequence = 0xffff,
     .ttl = 57},
    {.name = "echo reply over IPv6",
     .hex = "60000000000b3a3920010db800000000000000000000000120010db80000000700000000"
            "0000000981004fd1000100006f6464",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_ECHO_REPLY,
     .source = 1, .destination = 1,
     .data = 3,
     .ttl = 57},
    {.name = "net unreachable about UDP, eight bytes quoted",
     .hex = "450000381234000039018355c0000201c63364070300a731000000004500002155aa4000"
            "0311bbe1c6336407cb0071059c40cae5000dee9a",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_UNREACHABLE_NET,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 3, .id = 0x55aa,
               .checksum = 0xee9a, .dont_fragment = true},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "host unreachable about UDP",
     .hex = "4500003d1234000039018350c0000201c63364070301635e000000004500002155aa4000"
            "0311bbe1c6336407cb0071059c40cae5000dee9a68656c6c6f",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_UNREACHABLE_HOST,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .changes = true,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 3, .id = 0x55aa,
               .checksum = 0xee9a, .dont_fragment = true},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "port unreachable about UDP, all quoted",
     .hex = "4500003d1234000039018350c0000201c63364070303635c000000004500002155aa4000"
            "0311bbe1c6336407cb0071059c40cae5000dee9a68656c6c6f",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_UNREACHABLE_PORT,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .changes = true,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 3, .id = 0x55aa,
               .checksum = 0xee9a, .dont_fragment = true},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "prohibited about UDP",
     .hex = "450000381234000039018355c0000201c6336407030da724000000004500002155aa4000"
            "0311bbe1c6336407cb0071059c40cae5000dee9a",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_PROHIBITED,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 3, .id = 0x55aa,
               .checksum = 0xee9a, .dont_fragment = true},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "too big about UDP",
     .hex = "450000381234000039018355c0000201c63364070304a1b5000005784500002155aa4000"
            "0311bbe1c6336407cb0071059c40cae5000dee9a",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_TOO_BIG,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 3, .id = 0x55aa,
               .mtu = 1400, .checksum = 0xee9a, .dont_fragment = true},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "time exceeded about TCP",
     .hex = "450000381234000039018355c0000201c63364070b00d145000000004500002800020000"
            "0106538ec6336407cb0071059c4101bbcafebabe",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_TIME_EXCEEDED,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .quote = {.protocol = PACKET_TCP, .size = 20, .ttl = 1, .id = 0x2,
               .sequence = 0xcafebabe},
     .quoted_source = 40001, .quoted_destination = 443},
    {.name = "time exceeded about an echo request",
     .hex = "450000381234000039018355c0000201c63364070b008695000000004500002400020000"
            "01015397c6336407cb0071050800554111220007",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_TIME_EXCEEDED,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .quote = {.protocol = PACKET_ICMP, .size = 16, .ttl = 1, .icmp = PACKET_ICMP_ECHO_REQUEST,
               .id = 0x2, .sequence = 0x7, .checksum = 0x5541},
     .quoted_source = 4386, .quoted_destination = 4386},
    {.name = "time exceeded about an echo reply",
     .hex = "450000381234000039018355c0000201c63364070b008695000000004500002400020000"
            "01015397c6336407cb00710500005d4111220007",
     .protocol = PACKET_ICMP,
     .icmp = PACKET_ICMP_TIME_EXCEEDED,
     .data = 28,
     .id = 0x1234,
     .ttl = 57,
     .quote = {.protocol = PACKET_ICMP, .size = 16, .ttl = 1, .icmp = PACKET_ICMP_ECHO_REPLY,
               .id = 0x2, .sequence = 0x7, .checksum = 0x5d41},
     .quoted_source = 4386, .quoted_destination = 4386},
    {.name = "no route about UDP",
     .hex = "6000000000383a3920010db800000000000000000000000120010db80000000700000000"
            "00000009010075ec0000000060000000000d110120010db8000000070000000000000009"
            "20010db80000000900000000000000059c40cae5000df94b",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_UNREACHABLE_NET,
     .data = 48,
     .ttl = 57,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 1, .checksum = 0xf94b},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "prohibited about UDP over IPv6",
     .hex = "60000000003d3a3920010db800000000000000000000000120010db80000000700000000"
            "00000009010132140000000060000000000d110120010db8000000070000000000000009"
            "20010db80000000900000000000000059c40cae5000df94b68656c6c6f",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_PROHIBITED,
     .data = 48,
     .ttl = 57,
     .changes = true,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 1, .checksum = 0xf94b},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "address unreachable about UDP",
     .hex = "60000000003d3a3920010db800000000000000000000000120010db80000000700000000"
            "00000009010332120000000060000000000d110120010db8000000070000000000000009"
            "20010db80000000900000000000000059c40cae5000df94b68656c6c6f",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_UNREACHABLE_HOST,
     .data = 48,
     .ttl = 57,
     .changes = true,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 1, .checksum = 0xf94b},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "port unreachable about UDP over IPv6",
     .hex = "60000000003d3a3920010db800000000000000000000000120010db80000000700000000"
            "00000009010432110000000060000000000d110120010db8000000070000000000000009"
            "20010db80000000900000000000000059c40cae5000df94b68656c6c6f",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_UNREACHABLE_PORT,
     .data = 48,
     .ttl = 57,
     .changes = true,
     .quote = {.protocol = PACKET_UDP, .size = 13, .ttl = 1, .checksum = 0xf94b},
     .quoted_source = 40000, .quoted_destination = 51941},
    {.name = "packet too big about TCP",
     .hex = "6000000000383a3920010db800000000000000000000000120010db80000000700000000"
            "000000090200b77200000500600000000014063920010db8000000070000000000000009"
            "20010db80000000900000000000000059c4101bbcafebabe",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_TOO_BIG,
     .data = 48,
     .ttl = 57,
     .quote = {.protocol = PACKET_TCP, .size = 20, .ttl = 57, .mtu = 1280,
               .sequence = 0xcafebabe},
     .quoted_source = 40001, .quoted_destination = 443},
    {.name = "hop limit exceeded about an echo request",
     .hex = "6000000000383a3920010db800000000000000000000000120010db80000000700000000"
            "00000009030098a0000000006000000000103a3920010db8000000070000000000000009"
            "20010db80000000900000000000000058000816611220007",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_TIME_EXCEEDED,
     .data = 48,
     .ttl = 57,
     .quote = {.protocol = PACKET_ICMP, .size = 16, .ttl = 57, .icmp = PACKET_ICMP_ECHO_REQUEST,
               .sequence = 0x7, .checksum = 0x8166},
     .quoted_source = 4386, .quoted_destination = 4386},
    {.name = "packet too big about a first fragment",
     .hex = "6000000000483a3920010db800000000000000000000000120010db80000000700000000"
            "0000000902000544000005006000000000182c3920010db8000000070000000000000009"
            "20010db800000009000000000000000511000001000000999c40cae500188d5568656c6c"
            "6f68656c",
     .protocol = PACKET_ICMP,
     .v6 = true,
     .icmp = PACKET_ICMP_TOO_BIG,
     .data = 48,
     .ttl = 57,
     .changes = true,
     .quote = {.protocol = PACKET_UDP, .size = 16, .ttl = 57, .id = 0x99,
               .mtu = 1280, .checksum = 0x8d55},
     .quoted_source = 40000, .quoted_destination = 51941},
};

static const struct bad bad[] = {
    {"nothing", WIRE_MALFORMED,
     ""},
    {"version 5", WIRE_MALFORMED,
     "55000020123400003911835dc0000201c633640712345678000ce62661626364"},
    {"a header cut short over IPv4", WIRE_MALFORMED,
     "45000020123400003911835dc0000201c63364"},
    {"a header cut short over IPv6", WIRE_MALFORMED,
     "60000000000c113920010db800000000000000000000000120010db80000000700000000"
     "000000"},
    {"a header length of four words", WIRE_MALFORMED,
     "44000020123400003911835dc0000201c633640712345678000ce62661626364"},
    {"a header longer than the packet", WIRE_MALFORMED,
     "4f000020123400003911835dc0000201c633640712345678000ce62661626364"},
    {"a total length below the header", WIRE_MALFORMED,
     "45000013123400003911836ac0000201c633640712345678000ce62661626364"},
    {"a packet cut short over IPv4", WIRE_MALFORMED,
     "45000020123400003911835dc0000201c633640712345678000ce626616263"},
    {"a packet cut short over IPv6", WIRE_MALFORMED,
     "60000000000c113920010db800000000000000000000000120010db80000000700000000"
     "0000000912345678000c76e0616263"},
    {"a wrong header checksum", WIRE_CHECKSUM,
     "45000020123400003911835cc0000201c633640712345678000ce62661626364"},
    {"a wrong UDP checksum", WIRE_CHECKSUM,
     "45000020123400003911835dc0000201c633640712345678000ce62761626364"},
    {"no UDP checksum over IPv6", WIRE_CHECKSUM,
     "60000000000c113920010db800000000000000000000000120010db80000000700000000"
     "0000000912345678000c000061626364"},
    {"a UDP header cut short", WIRE_MALFORMED,
     "4500001b1234000039118362c0000201c633640712345678000ce6"},
    {"a UDP length below the header", WIRE_MALFORMED,
     "45000020123400003911835dc0000201c6336407123456780007e62b61626364"},
    {"a UDP length beyond the packet", WIRE_MALFORMED,
     "45000020123400003911835dc0000201c633640712345678000de62561626364"},
    {"UDP from port 0", WIRE_UNSUPPORTED,
     "45000020123400003911835dc0000201c633640700005678000cf85a61626364"},
    {"UDP to port 0", WIRE_UNSUPPORTED,
     "60000000000c113920010db800000000000000000000000120010db80000000700000000"
     "0000000912340000000ccd5861626364"},
    {"a wrong TCP checksum", WIRE_CHECKSUM,
     "450000281234000039068360c0000201c63364079c4101bb01020304000000005002faf0"
     "26b20000"},
    {"a TCP header cut short", WIRE_MALFORMED,
     "450000271234000039068361c0000201c63364079c4101bb01020304000000005002faf0"
     "26b300"},
    {"a TCP data offset of four words", WIRE_MALFORMED,
     "450000281234000039068360c0000201c63364079c4101bb01020304000000004002faf0"
     "36b30000"},
    {"a TCP data offset beyond the segment", WIRE_MALFORMED,
     "450000281234000039068360c0000201c63364079c4101bb01020304000000006002faf0"
     "16b30000"},
    {"TCP to port 0", WIRE_UNSUPPORTED,
     "450000281234000039068360c0000201c63364079c41000001020304000000005002faf0"
     "286e0000"},
    {"a wrong ICMP checksum", WIRE_CHECKSUM,
     "4500001c1234000039018371c0000201c63364070800f7ff00000001"},
    {"a wrong ICMPv6 checksum", WIRE_CHECKSUM,
     "6000000000083a3920010db800000000000000000000000120010db80000000700000000"
     "000000098000243800000001"},
    {"an ICMP header cut short", WIRE_MALFORMED,
     "4500001b1234000039018372c0000201c63364070800f7fe000000"},
    {"an ICMP timestamp", WIRE_UNSUPPORTED,
     "450000281234000039018365c0000201c63364070d00f2fe000000010000000000000000"
     "00000000"},
    {"a redirect", WIRE_UNSUPPORTED,
     "4500003d1234000039018350c0000201c63364070501615d000000014500002155aa4000"
     "0311bbe1c6336407cb0071059c40cae5000dee9a68656c6c6f"},
    {"protocol unreachable", WIRE_UNSUPPORTED,
     "4500003d1234000039018350c0000201c63364070302635d000000004500002155aa4000"
     "0311bbe1c6336407cb0071059c40cae5000dee9a68656c6c6f"},
    {"reassembly time exceeded", WIRE_UNSUPPORTED,
     "4500003d1234000039018350c0000201c63364070b015b5e000000004500002155aa4000"
     "0311bbe1c6336407cb0071059c40cae5000dee9a68656c6c6f"},
    {"beyond scope", WIRE_UNSUPPORTED,
     "60000000003d3a3920010db800000000000000000000000120010db80000000700000000"
     "00000009010232130000000060000000000d110120010db8000000070000000000000009"
     "20010db80000000900000000000000059c40cae5000df94b68656c6c6f"},
    {"ICMPv6 over IPv4", WIRE_UNSUPPORTED,
     "4500001c12340000393a8338c0000201c633640780007ffe00000001"},
    {"ICMP over IPv6", WIRE_UNSUPPORTED,
     "600000000008013920010db800000000000000000000000120010db80000000700000000"
     "000000090800f7fe00000001"},
    {"an error that quotes seven bytes", WIRE_MALFORMED,
     "450000371234000039018356c0000201c63364070303a7c8000000004500002155aa4000"
     "0311bbe1c6336407cb0071059c40cae5000dee"},
    {"an error that quotes nothing", WIRE_MALFORMED,
     "4500001c1234000039018371c0000201c63364070303fcfc00000000"},
    {"an error over IPv4 that quotes IPv6", WIRE_MALFORMED,
     "45000051123400003901833cc0000201c633640703038c0c0000000060000000000d1101"
     "20010db800000007000000000000000920010db80000000900000000000000059c40cae5"
     "000df94b68656c6c6f"},
    {"an error about an error", WIRE_UNSUPPORTED,
     "450000591234000039018334c0000201c63364070303fcfc000000004500003d12340000"
     "39018350c0000201c63364070303635c000000004500002155aa40000311bbe1c6336407"
     "cb0071059c40cae5000dee9a68656c6c6f"},
    {"an error about a later fragment", WIRE_UNSUPPORTED,
     "45000040123400003901834dc0000201c633640703033939000000004500002412340001"
     "39118358c0000201c633640778787878787878787878787878787878"},
    {"an error about GRE", WIRE_UNSUPPORTED,
     "45000040123400003901834dc0000201c633640703033939000000004500002412340000"
     "392f833bc0000201c633640778787878787878787878787878787878"},
    {"GRE", WIRE_UNSUPPORTED,
     "4500002412340000392f833bc0000201c633640778787878787878787878787878787878"},
    {"no next header", WIRE_UNSUPPORTED,
     "6000000000003b3920010db800000000000000000000000120010db80000000700000000"
     "00000009"},
    {"hop-by-hop options", WIRE_UNSUPPORTED,
     "600000000014003920010db800000000000000000000000120010db80000000700000000"
     "00000009110001040000000012345678000c76e061626364"},
    {"destination options", WIRE_UNSUPPORTED,
     "6000000000143c3920010db800000000000000000000000120010db80000000700000000"
     "00000009110001040000000012345678000c76e061626364"},
    {"a routing header", WIRE_UNSUPPORTED,
     "6000000000142b3920010db800000000000000000000000120010db80000000700000000"
     "00000009110004000000000012345678000c76e061626364"},
    {"a jumbogram", WIRE_MALFORMED,
     "600000000000113920010db800000000000000000000000120010db80000000700000000"
     "0000000912345678000c76e061626364"},
    {"a fragment header cut short", WIRE_MALFORMED,
     "6000000000072c3920010db800000000000000000000000120010db80000000700000000"
     "0000000911000000000000"},
    {"a fragment of no multiple of eight", WIRE_MALFORMED,
     "45000020123420003911635dc0000201c633640712345678000ce62661626364"},
    {"a fragment of nothing", WIRE_MALFORMED,
     "450000141234000139118368c0000201c6336407"},
    {"a fragment beyond the largest packet over IPv4", WIRE_MALFORMED,
     "4500005412341ffd3911632cc0000201c633640778787878787878787878787878787878"
     "787878787878787878787878787878787878787878787878787878787878787878787878"
     "787878787878787878787878"},
    {"a fragment beyond the largest packet over IPv6", WIRE_MALFORMED,
     "6000000000102c3920010db800000000000000000000000120010db80000000700000000"
     "000000091100fff8000000097878787878787878"},
    {"to multicast over IPv4", WIRE_NOISE,
     "4500001c123400003911cca0c0000201e00000fb14e914e90008330f"},
    {"to everybody on the link", WIRE_NOISE,
     "4500001c1234000039116f9e00000000ffffffff004400430008ff57"},
    {"a router solicitation", WIRE_NOISE,
     "6000000000083afffe800000000000000000000000000001ff0200000000000000000000"
     "0000000285007d3600000000"},
    {"an MLD report with its router alert", WIRE_NOISE,
     "6000000000240001fe800000000000000000000000000001ff0200000000000000000000"
     "000000163a000502000001008f006f0d0000000104000000000000000000000000000000"
     "00000000"},
    {"an IGMP report", WIRE_NOISE,
     "46000020123400003902388cc0000201e0000016940400002200000000000000"},
    {"to a link-local neighbour", WIRE_NOISE,
     "6000000000081139fe800000000000000000000000000001fe8000000000000000000000"
     "0000000200010002000802d7"},
    {"to a link-local neighbour over IPv4", WIRE_NOISE,
     "4500001c1234000039110395c0000201a9fe000900010002000893d2"},
};
/* clang-format on */

static uint8_t digit(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

/* The bytes, at the very end of a block, so that a sanitizer sees a read behind them. */
static uint8_t *bytes_of(const char *hex, size_t *size)
{
    *size = strlen(hex) / 2;
    assert_true(*size <= VECTOR_MAX);
    uint8_t *bytes = malloc(*size > 0 ? *size : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < *size; i++)
        bytes[i] = (uint8_t)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return bytes;
}

static struct addr address(bool v6, unsigned which, uint16_t port)
{
    static const uint32_t four[3] = {0xc0000201, 0xc6336407, 0xcb007105};
    static const uint8_t subnets[3] = {0, 7, 9};
    static const uint8_t hosts[3] = {1, 9, 5};
    if (!v6)
        return addr_v4(four[which], port);
    uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8};
    ip[7] = subnets[which];
    ip[15] = hosts[which];
    return addr_v6(ip, port);
}

static void assert_address(const struct addr *is, struct addr expected)
{
    assert_memory_equal(is, &expected, sizeof expected);
}

static void assert_quote(const struct good *vector, const struct packet *packet)
{
    struct packet_quote quote;
    icmp_read_quote(packet, &quote);
    assert_address(&quote.source, address(vector->v6, 1, vector->quoted_source));
    assert_address(&quote.destination, address(vector->v6, 2, vector->quoted_destination));
    assert_int_equal(quote.mtu, vector->quote.mtu);
    assert_int_equal(quote.sequence, vector->quote.sequence);
    assert_int_equal(quote.size, vector->quote.size);
    assert_int_equal(quote.checksum, vector->quote.checksum);
    assert_int_equal(quote.id, vector->quote.id);
    assert_int_equal(quote.protocol, vector->quote.protocol);
    assert_int_equal(quote.icmp, vector->quote.icmp);
    assert_int_equal(quote.ttl, vector->quote.ttl);
    assert_int_equal(quote.dont_fragment, vector->quote.dont_fragment);
}

static void assert_fields(const struct good *vector, const struct packet *packet)
{
    assert_address(&packet->source, address(vector->v6, 0, vector->source));
    assert_address(&packet->destination, address(vector->v6, 1, vector->destination));
    assert_int_equal(packet->protocol, vector->protocol);
    assert_int_equal(packet->icmp, vector->icmp);
    assert_int_equal(packet->ttl, vector->ttl);
    assert_int_equal(packet->id, vector->id);
    assert_int_equal(packet->data, vector->data);
    assert_int_equal(packet->sequence, vector->sequence);
    assert_int_equal(packet->tcp_flags, vector->tcp_flags);
    assert_int_equal(packet->dont_fragment, vector->dont_fragment);
    assert_int_equal(packet->headed, vector->protocol == PACKET_TCP);
    assert_false(packet_is_fragment(packet) || packet->bad_checksum);
    if (packet_is_icmp_error(packet))
        assert_quote(vector, packet);
}

/* What is written is read as the same fields; where all of them are kept, it is the same bytes. */
static void test_bytes_to_fields_to_bytes(void **state)
{
    (void)state;
    struct packet_pool pool;
    packet_pool_init(&pool);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        const struct good *vector = &good[i];
        size_t size;
        uint8_t *bytes = bytes_of(vector->hex, &size);
        static uint8_t written[WIRE_MAX];
        struct packet packet, again;
        print_message("%s\n", vector->name);
        assert_int_equal(wire_parse(&pool, &packet, bytes, size), WIRE_OK);
        assert_fields(vector, &packet);
        size_t to = wire_write(&packet, written);
        assert_int_equal(to, packet_wire_size(&packet));
        bool same = to == size && memcmp(written, bytes, size) == 0;
        assert_int_equal(same, !vector->changes);
        assert_int_equal(wire_parse(&pool, &again, written, to), WIRE_OK);
        again.id = packet.id; /* IPv6 without a fragment header has none */
        if (packet_is_icmp_error(&again) && vector->v6) {
            struct packet_quote quote;
            icmp_read_quote(&again, &quote);
            quote.id = vector->quote.id;
            icmp_write_quote(&pool, &again, &quote);
        }
        assert_fields(vector, &again);
        packet_drop(&pool, &again);
        packet_drop(&pool, &packet);
        free(bytes);
    }
    assert_int_equal(pool.buffers_live, 0);
    packet_pool_free(&pool);
}

static void test_refusals(void **state)
{
    (void)state;
    struct packet_pool pool;
    packet_pool_init(&pool);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        size_t size;
        uint8_t *bytes = bytes_of(bad[i].hex, &size);
        struct packet packet;
        print_message("%s\n", bad[i].name);
        assert_int_equal(wire_parse(&pool, &packet, bytes, size), bad[i].result);
        assert_int_equal(pool.buffers_live, 0);
        free(bytes);
    }
    packet_pool_free(&pool);
}

/* Every beginning of a good packet is none, and nothing behind the beginning is read. */
static void test_every_cut_is_malformed(void **state)
{
    (void)state;
    struct packet_pool pool;
    packet_pool_init(&pool);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        size_t size;
        uint8_t *bytes = bytes_of(good[i].hex, &size);
        size_t header = good[i].v6 ? 40 : 20;
        size_t total = good[i].v6 ? header + ((size_t)bytes[4] << 8 | bytes[5])
                                  : (size_t)bytes[2] << 8 | bytes[3];
        for (size_t cut = 0; cut < total; cut++) {
            uint8_t *part = malloc(cut > 0 ? cut : 1);
            assert_non_null(part);
            memcpy(part, bytes, cut);
            struct packet packet;
            assert_int_equal(wire_parse(&pool, &packet, part, cut), WIRE_MALFORMED);
            free(part);
        }
        free(bytes);
    }
    assert_int_equal(pool.buffers_live, 0);
    packet_pool_free(&pool);
}

/* Any one wrong bit in what a checksum covers is found: all of IPv4's header, all of the payload. */
static void test_every_wrong_bit_is_found(void **state)
{
    (void)state;
    struct packet_pool pool;
    packet_pool_init(&pool);
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        if (good[i].changes)
            continue;
        size_t size;
        uint8_t *bytes = bytes_of(good[i].hex, &size);
        size_t from = good[i].v6 ? 40 : 0;
        for (size_t bit = 8 * from; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            struct packet packet;
            assert_int_not_equal(wire_parse(&pool, &packet, bytes, size), WIRE_OK);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        free(bytes);
    }
    assert_int_equal(pool.buffers_live, 0);
    packet_pool_free(&pool);
}

/* Cut by the simulator, written, read in any order and collected: the packet that it was. */
static void collect_pieces(struct packet_pool *pool, struct fragment_table *table,
                           const struct packet *packet, bool backwards)
{
    static uint8_t written[WIRE_MAX];
    struct packet pieces[64], whole = {.ttl = 0};
    uint32_t count = 0, lost = 0;
    for (uint32_t offset = 0; offset < packet->length; offset += pieces[count++].length) {
        assert_true(count < 64);
        fragment_cut(packet, 576, offset, &pieces[count]);
    }
    assert_true(count > 1);
    for (uint32_t i = 0; i < count; i++) {
        struct packet *piece = &pieces[backwards ? count - 1 - i : i];
        size_t size = wire_write(piece, written);
        uint64_t gone = 0;
        assert_int_equal(wire_parse(pool, &whole, written, size), WIRE_OK);
        assert_true(packet_is_fragment(&whole));
        assert_int_equal(whole.offset, piece->offset);
        assert_int_equal(whole.length, piece->length);
        static uint8_t again[WIRE_MAX];
        assert_int_equal(wire_write(&whole, again), size);
        assert_memory_equal(again, written, size);
        enum fragment_result result = fragment_accept(table, pool, 0, &whole, &gone);
        assert_int_equal(result, i + 1 < count ? FRAGMENT_WAITS : FRAGMENT_WHOLE);
        lost += (uint32_t)gone;
        packet_drop(pool, piece);
    }
    assert_int_equal(lost, 0);
    assert_int_equal(wire_read_whole(pool, &whole), WIRE_OK);
    assert_address(&whole.source, packet->source);
    assert_address(&whole.destination, packet->destination);
    assert_int_equal(whole.protocol, packet->protocol);
    assert_int_equal(whole.icmp, packet->icmp);
    assert_int_equal(whole.sequence, packet->sequence);
    assert_int_equal(whole.id, packet->id);
    assert_int_equal(whole.data, packet->data);
    assert_memory_equal(packet_data(&whole), packet_data(packet), packet->data);
    packet_drop(pool, &whole);
}

static void test_fragments(void **state)
{
    (void)state;
    struct packet_pool pool;
    packet_pool_init(&pool);
    struct fragment_table *table = calloc(1, sizeof *table);
    assert_non_null(table);
    uint8_t data[5001];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    for (unsigned i = 0; i < 8; i++) {
        bool v6 = (i & 1) != 0;
        bool echo = (i & 2) != 0;
        struct addr from = address(v6, 0, 4660);
        struct addr to = address(v6, 1, echo ? 4660 : 443);
        struct packet packet;
        packet_make_udp(&pool, &packet, &from, &to, data, sizeof data);
        packet.id = 1000 + i;
        if (echo) {
            packet.protocol = PACKET_ICMP;
            packet.icmp = PACKET_ICMP_ECHO_REQUEST;
            packet.sequence = 77;
        }
        collect_pieces(&pool, table, &packet, (i & 4) != 0);
        packet_drop(&pool, &packet);
    }
    assert_int_equal(pool.buffers_live, 0);
    free(table);
    packet_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_to_fields_to_bytes),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_every_cut_is_malformed),
        cmocka_unit_test(test_every_wrong_bit_is_found),
        cmocka_unit_test(test_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
