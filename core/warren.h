/*
 * The whole interface of Warren's protocol core.
 *
 * A node is a function of its state and one input at a time. A host (the daemon, the simulator, a
 * replayer) hands in every fact that happens to the node with node_input(), then pulls with
 * node_output() until there is nothing left, then reads node_deadline() and makes sure that a
 * NODE_IN_DEADLINE arrives at or after that time. The core has no sockets, clocks, threads, files,
 * environment or allocator. Nothing here blocks or calls back, except the trace.
 *
 * Rules that both sides check:
 *   - drain fully: node_input() after node_output() returned false, never before;
 *   - time is unsigned nanoseconds of a clock that counts through suspend, and never decreases from
 *     input to input;
 *   - bytes in an input belong to the host and stay as they are until the node is drained; bytes in
 *     an output belong to the node or to the input, and are good until the next input;
 *   - what arrives from outside (datagrams, ICMP) may be anything; a malformed one is dropped,
 *     counted and traced;
 *   - a host that breaks these rules (input before drained, time going back) fails a check and
 *     stops.
 */
#ifndef WARREN_H
#define WARREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/crypto.h"
#include "core/base/limits.h"
#include "core/base/random.h"
#include "core/base/trace.h"
#include "core/punch/reason.h"
#include "core/stun/behaviour.h"

/* No deadline: nothing will happen until the next input. */
#define NODE_NEVER UINT64_MAX

/*
 * Sockets are named by the node. The standing ones below exist from the host's configuration and
 * are never opened or closed by the node; every number from NODE_SOCKET_PROBE on is a probe socket
 * that the node asked for.
 */
enum node_socket {
    NODE_SOCKET_STUN = 1, /* STUN server on its primary port, on every address it serves */
    NODE_SOCKET_STUN_ALTERNATE = 2, /* the same on its alternate port (RFC 5780, section 6) */
    NODE_SOCKET_PUNCH = 3,          /* server: registration, rendezvous and relaying for clients */
    NODE_SOCKET_RELAY = 4,          /* server: the same between servers */
    NODE_SOCKET_TRAFFIC = 5, /* client: everything that is not a discovery leaves from here */
    NODE_SOCKET_TUNNEL = 6,  /* server: WireGuard */
    NODE_SOCKET_PROBE = 256,
};

/* ---- Inputs: what happened ------------------------------------------------------------------- */

enum node_in_kind {
    NODE_IN_DEADLINE = 1,   /* the deadline that node_deadline() named has come */
    NODE_IN_DATAGRAM = 2,   /* a datagram, or a train of equal-sized ones, arrived */
    NODE_IN_ICMP = 3,       /* an ICMP error that quotes a datagram of ours */
    NODE_IN_UNSENT = 4,     /* a datagram could not be sent */
    NODE_IN_SOCKET = 5,     /* a probe socket was opened, or refused */
    NODE_IN_SERVE_STUN = 6, /* command: serve STUN on these addresses, or no longer */
    NODE_IN_DISCOVER = 7, /* command: find out how the NAT in front behaves; joins one under way */
    NODE_IN_WALL_CLOCK = 8,  /* what the wall clock says */
    NODE_IN_IDENTITY = 9,    /* command: be this node, of this mesh */
    NODE_IN_SERVER = 10,     /* a server of the mesh, and what it says of itself */
    NODE_IN_SERVE_MESH = 11, /* command: be a home for clients, and relay, or no longer */
    NODE_IN_NETWORK = 12,    /* the full list of our own addresses, as it is now */
    NODE_IN_CONNECT = 13,    /* command: find a path to a peer, and keep it */
    NODE_IN_CARRY = 14,      /* command: carry a datagram to a peer */
    NODE_IN_PEER = 15,       /* command: have this peer in the tunnel, or no longer */
    NODE_IN_PACKET = 16,     /* an IP packet for the tunnel, or a train of them */
};

struct node_in_datagram {
    uint32_t socket;
    struct addr local;  /* the address it was sent to, with the socket's port */
    struct addr remote; /* where it came from */
    const uint8_t *bytes;
    uint32_t size;    /* at most 65535 bytes */
    uint32_t segment; /* of each datagram of a train but the last; 0 or `size`: there is one */
};

/* Classes of ICMP errors, the same for ICMPv4 (RFC 792, 1191) and ICMPv6 (RFC 4443). */
enum node_icmp {
    NODE_ICMP_UNREACHABLE_NET = 1,
    NODE_ICMP_UNREACHABLE_HOST = 2,
    NODE_ICMP_UNREACHABLE_PORT = 3,
    NODE_ICMP_PROHIBITED = 4,
    NODE_ICMP_TOO_BIG = 5,
    NODE_ICMP_TIME_EXCEEDED = 6,
};

struct node_in_icmp {
    uint32_t socket;
    struct addr local;    /* source of the quoted datagram */
    struct addr remote;   /* its destination */
    struct addr reporter; /* who sent the error; port 0 */
    uint32_t mtu;         /* bytes; for NODE_ICMP_TOO_BIG */
    uint8_t error;        /* enum node_icmp */
};

/* Why a host could not do something, independent of an operating system's numbers. */
enum node_error {
    NODE_OK = 0,
    NODE_ERROR_REFUSED = 1,      /* forbidden by a local firewall or lack of rights */
    NODE_ERROR_ADDRESS = 2,      /* the address is not ours, or is in use */
    NODE_ERROR_UNREACHABLE = 3,  /* no route, or the network is down */
    NODE_ERROR_TOO_BIG = 4,      /* larger than the path's MTU */
    NODE_ERROR_NO_RESOURCES = 5, /* buffers or descriptors ran out */
};

struct node_in_unsent {
    uint32_t socket;
    struct addr remote;
    uint8_t error; /* enum node_error, not NODE_OK */
};

struct node_in_socket {
    uint32_t socket; /* as the node named it in NODE_OUT_OPEN */
    uint16_t port;   /* the local port; 0 when refused */
    uint8_t error;   /* enum node_error */
};

/* Most addresses that a STUN server serves: an RFC 5780 pair in each family. */
enum { NODE_STUN_ADDRESSES = 4 };

/*
 * The alternate of an address is the other one of its family, where there are two. Without a pair
 * the server still serves RFC 8489, and answers CHANGE-REQUEST with 420.
 */
struct node_in_serve_stun {
    struct addr addresses[NODE_STUN_ADDRESSES]; /* ports are 0 */
    uint32_t count;                             /* 0: serve no longer */
    uint16_t port;                              /* of NODE_SOCKET_STUN */
    uint16_t alternate_port; /* of NODE_SOCKET_STUN_ALTERNATE; 0: there is none */
};

/* Most servers that one discovery may use: a second one stands in for a second address. */
enum { NODE_DISCOVER_SERVERS = 2 };

struct node_in_discover {
    struct addr servers[NODE_DISCOVER_SERVERS]; /* all of one family */
    uint32_t count;                             /* at least 1 */
};

struct node_in_wall_clock {
    uint64_t now_s; /* seconds since 1970; may jump */
};

/*
 * Who the node is; core/bootstrap/identity.h has the encodings. With a credential it is a member,
 * and the certificate is that of the credential's issuer; without one it is the server that the
 * certificate names. Comes after NODE_IN_WALL_CLOCK. A node takes one identity, once.
 */
struct node_in_identity {
    uint8_t seed[CRYPTO_ED25519_SEED_SIZE]; /* secret */
    uint8_t tunnel_key[CRYPTO_X25519_SIZE]; /* secret: the X25519 private key */
    uint8_t root[CRYPTO_ED25519_PUBLIC_SIZE];
    const uint8_t *certificate;
    const uint8_t *credential; /* NULL: a server */
    uint32_t certificate_size;
    uint32_t credential_size;
};

/* Comes after NODE_IN_IDENTITY. A later record of the same server replaces the earlier one. */
struct node_in_server {
    const uint8_t *certificate;
    const uint8_t *record;
    uint32_t certificate_size;
    uint32_t record_size;
};

struct node_in_serve_mesh {
    uint16_t punch_port; /* of NODE_SOCKET_PUNCH; 0: serve no longer */
    uint16_t relay_port; /* of NODE_SOCKET_RELAY; 0 when punch_port is */
};

/* Most of our own addresses that count; the host names the best ones first. */
enum { NODE_ADDRESSES = 8 };

/* A client registers with a home once it has an identity, a server and an address. */
struct node_in_network {
    struct addr addresses[NODE_ADDRESSES]; /* ports are 0 */
    uint32_t count;                        /* 0: there is no network */
    uint16_t traffic_port;                 /* of NODE_SOCKET_TRAFFIC */
};

struct node_in_connect {
    uint8_t peer[CRYPTO_ED25519_PUBLIC_SIZE]; /* its identity */
};

/*
 * An opaque datagram, such as one of WireGuard: at most NODE_CARRY_MAX bytes, and its first byte is
 * neither that of STUN (0 to 3 with a cookie) nor that of a frame, FRAME_FIRST_BYTE. It is lost
 * when there is no path, or no NODE_IN_CONNECT.
 */
enum { NODE_CARRY_MAX = 1452 };
struct node_in_carry {
    uint8_t peer[CRYPTO_ED25519_PUBLIC_SIZE];
    const uint8_t *bytes;
    uint32_t size;
};

/* Most prefixes of one peer of the tunnel. */
enum { NODE_PEER_SUBNETS = 16 };

/*
 * A peer of the mesh is named by its identity, and its datagrams take the path that is found to it,
 * as with NODE_IN_CONNECT, which this implies. A stock peer is any other WireGuard: its datagrams
 * go to `endpoint`, and then to where its last authentic one came from. Comes after
 * NODE_IN_IDENTITY. Of the same peer a later one replaces the earlier; a prefix belongs to the peer
 * that named it last.
 */
struct node_in_peer {
    uint8_t peer[CRYPTO_ED25519_PUBLIC_SIZE]; /* its identity; of a stock peer: zero */
    uint8_t key[CRYPTO_X25519_SIZE]; /* its tunnel key; of a peer of the mesh: zero while not known */
    uint8_t psk[CRYPTO_X25519_SIZE]; /* secret; zero: none */
    /* What it may send from, and what is sent to it. A peer of the mesh has the addresses of its
       credential too, unless they belong to another. */
    struct subnet subnets[NODE_PEER_SUBNETS];
    uint32_t subnet_count;
    struct addr endpoint; /* of a stock peer; ADDR_NONE: it comes first */
    uint16_t keepalive_s; /* of a stock peer: something is sent this often; 0: not */
    bool hub;             /* of a stock peer: its packets for other such peers are passed on */
    bool remove;          /* it is no longer a peer */
};

/*
 * Bytes of one packet, which fits a datagram with all that is put around it; and of a train, which
 * has what the largest super-packet of an interface becomes.
 */
enum { NODE_PACKET_MAX = NODE_CARRY_MAX - 32, NODE_PACKETS_MAX = 80 * 1024 };

/*
 * IP packets from the tunnel interface, with the checksums that they shall arrive with. A train has
 * packets of one flow, all of `segment` bytes but the last.
 */
struct node_in_packet {
    const uint8_t *bytes;
    uint32_t size;    /* at most NODE_PACKETS_MAX */
    uint32_t segment; /* 0 or `size`: one packet; at most NODE_PACKET_MAX */
};

struct node_in {
    uint64_t now_ns;
    enum node_in_kind kind;
    union {
        struct node_in_datagram datagram;
        struct node_in_icmp icmp;
        struct node_in_unsent unsent;
        struct node_in_socket socket;
        struct node_in_serve_stun serve_stun;
        struct node_in_discover discover;
        struct node_in_wall_clock wall_clock;
        struct node_in_identity identity;
        struct node_in_server server;
        struct node_in_serve_mesh serve_mesh;
        struct node_in_network network;
        struct node_in_connect connect;
        struct node_in_carry carry;
        struct node_in_peer peer;
        struct node_in_packet packet;
    };
};

/* ---- Outputs: what to do --------------------------------------------------------------------- */

enum node_out_kind {
    NODE_OUT_SEND = 1,  /* send a datagram or a train */
    NODE_OUT_OPEN = 2,  /* open a probe socket; answered by NODE_IN_SOCKET */
    NODE_OUT_CLOSE = 3, /* close a probe socket, unless it was refused; then it is heard no more */
    NODE_OUT_BEHAVIOUR = 4, /* event: a discovery has ended */
    NODE_OUT_HOME = 5,      /* event: registered with a home, or no longer */
    NODE_OUT_PATH = 6,      /* event: the path to a peer, or its reason, is another one now */
    NODE_OUT_DELIVER = 7,   /* a datagram that a peer has carried to us */
    NODE_OUT_PACKET = 8,    /* an IP packet for the tunnel interface, or a train of them */
};

struct node_out_send {
    uint32_t socket;
    struct addr source; /* ADDR_NONE: as the route says; else one of the socket's, with its port */
    struct addr remote;
    const uint8_t *bytes;
    uint32_t size;
    uint32_t segment; /* as in node_in_datagram */
    uint8_t ttl;      /* 0: the host's default */
    bool dont_fragment;
};

struct node_out_open {
    uint32_t socket;
    uint8_t family; /* enum addr_family; bound to every address, on a fresh port */
};

struct node_out_home {
    struct addr server; /* none: no home */
    struct addr mapped; /* where the home sees us */
};

enum node_path {
    NODE_PATH_PENDING = 0, /* asked for; nothing has come from the peer yet */
    NODE_PATH_RELAYED,
    NODE_PATH_DIRECT,
    NODE_PATH_UNREACHABLE,
};

/* While a relayed pair is still probing, its reason is REASON_NONE. */
struct node_out_path {
    uint8_t peer[CRYPTO_ED25519_PUBLIC_SIZE];
    uint8_t path;       /* enum node_path */
    uint8_t reason;     /* enum reason */
    struct addr remote; /* where our datagrams go: the peer's address, or our home's */
    uint64_t rtt_ns;    /* as last measured; 0: not yet */
};

struct node_out_deliver {
    uint8_t peer[CRYPTO_ED25519_PUBLIC_SIZE];
    const uint8_t *bytes;
    uint32_t size;
    bool relayed;
};

/* Packets that stand side by side, all of `segment` bytes but the last; maybe of several flows. */
struct node_out_packet {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t segment; /* 0 or `size`: one packet */
};

struct node_out {
    enum node_out_kind kind;
    union {
        struct node_out_send send;
        struct node_out_open open;
        uint32_t close; /* the socket */
        struct stun_behaviour behaviour;
        struct node_out_home home;
        struct node_out_path path;
        struct node_out_deliver deliver;
        struct node_out_packet packet;
    };
};

/* ---- The node -------------------------------------------------------------------------------- */

/*
 * What a node needs of its host. Kept by pointer, not part of the state: it must outlive the node,
 * and a restored snapshot gets its own through node_attach().
 */
struct node_env {
    const struct crypto *crypto;
    struct tracer tracer; /* .record == NULL: no trace */
};

struct node;

/* Bytes that a node with these limits needs; the same on every machine of one pointer size. */
size_t node_size(const struct node_limits *limits);

/*
 * Makes a node in `memory`, which is aligned for any object, has node_size(limits) bytes, and is
 * zero (fresh pages are: parts that are never used are never touched). `seed` is drawn by the host
 * from a source that nobody can predict, once for each start, and never stored. The memory is the
 * node's until the host forgets it; there is nothing to free.
 */
struct node *node_init(void *memory, size_t size, const struct node_limits *limits,
                       const uint8_t seed[static RANDOM_SEED_SIZE], const struct node_env *env);

/*
 * The whole state is the block: a copy of it, anywhere, is a snapshot. Makes a copy usable. NULL
 * when the bytes are not a drained node of this build.
 */
struct node *node_attach(void *memory, size_t size, const struct node_env *env);

/* Exactly one stimulus, with its time. */
void node_input(struct node *node, const struct node_in *in);

/* The next thing to do, in order; false: drained. */
bool node_output(struct node *node, struct node_out *out);

/*
 * When the node wants NODE_IN_DEADLINE, at the latest; may lie in the past. NODE_NEVER when it does
 * not.
 */
uint64_t node_deadline(const struct node *node);

/* ---- What a host may ask, which changes nothing ---------------------------------------------- */

/* A peer of the tunnel. Bytes are those of inner packets. */
struct node_peer {
    uint8_t peer[CRYPTO_ED25519_PUBLIC_SIZE]; /* zero: a stock peer */
    uint8_t key[CRYPTO_X25519_SIZE];          /* zero: not known yet */
    bool hub;
    bool session;          /* packets can be sent at once */
    uint8_t path;          /* enum node_path; of a stock peer: direct once it has answered */
    uint8_t reason;        /* enum reason */
    struct addr remote;    /* where datagrams go: the peer, or the home that relays; or none */
    uint64_t rtt_ns;       /* 0: not measured */
    uint64_t handshake_ns; /* when the last one ended; 0: never */
    uint64_t sent_direct;
    uint64_t sent_relayed;
    uint64_t received_direct;
    uint64_t received_relayed;
    uint32_t subnet_count;
    struct subnet subnets[NODE_PEER_SUBNETS];
};

/* The peers one by one: *cursor begins at 0. False when there are no more. */
bool node_peers(struct node *node, uint32_t *cursor, struct node_peer *peer);

/* What the node counted since it was made; the words are in core/base/trace.def. */
uint64_t node_count(const struct node *node, enum trace_kind kind);

#endif
