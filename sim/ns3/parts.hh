/*
 * What the C++ behind shim.h is made of: devices, hosts and flows of a network of ns-3's.
 *
 * A Port is what these files know of one network device. Packets go in and out of ns-3 as bytes of
 * IP packets; headers of the link (PPP, Ethernet) are added and taken off on the way.
 */
#ifndef WARREN_SIM_NS3_PARTS_H
#define WARREN_SIM_NS3_PARTS_H

#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "ns3/application.h"
#include "ns3/csma-net-device.h"
#include "ns3/drop-tail-queue.h"
#include "ns3/error-model.h"
#include "ns3/inet-socket-address.h"
#include "ns3/inet6-socket-address.h"
#include "ns3/ipv4-l3-protocol.h"
#include "ns3/ipv4-static-routing.h"
#include "ns3/ipv6-l3-protocol.h"
#include "ns3/ipv6-static-routing.h"
#include "ns3/mac48-address.h"
#include "ns3/node.h"
#include "ns3/packet.h"
#include "ns3/point-to-point-channel.h"
#include "ns3/point-to-point-net-device.h"
#include "ns3/queue-disc.h"
#include "ns3/queue-item.h"
#include "ns3/simulator.h"
#include "ns3/socket.h"
#include "ns3/udp-l4-protocol.h"

#include "sim/ns3/shim.h"

namespace warren
{

using ns3::Ptr;

enum : uint16_t { ETHER_IPV4 = 0x0800, ETHER_ARP = 0x0806, ETHER_IPV6 = 0x86dd };
enum : uint32_t {
    PPP_HEADER = 2,
    ETHERNET_HEADER = 14,
    ETHERNET_TRAILER = 4,
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    UDP_HEADER = 8,
    TCP_HEADER = 32, /* with the time stamps that ns-3's TCP sends */
    PACKET_MAX = 65535 + 64,
    TCP_BUFFER = 1 << 20,
    CHUNK = 1 << 14, /* that a flow gives to its socket at a time */
};
constexpr uint64_t UNLIMITED_BPS = 100'000'000'000;
/* Streams of random numbers, numbered by what they are for: nodes have STREAMS_PER_NODE each. */
constexpr int64_t STREAMS_PER_NODE = 64;
constexpr int64_t STREAMS_OF_DEVICES = INT64_C(1) << 40;
constexpr int64_t STREAMS_OF_DISCIPLINES = INT64_C(1) << 41;

inline ns3::Ipv4Address ipv4(const ns3_address *address)
{
    return ns3::Ipv4Address::Deserialize(address->ip);
}

inline ns3::Ipv6Address ipv6(const ns3_address *address)
{
    return ns3::Ipv6Address::Deserialize(address->ip);
}

inline ns3::Address socket_address(const ns3_address *address)
{
    if (address->family == 4)
        return ns3::InetSocketAddress(ipv4(address), address->port);
    return ns3::Inet6SocketAddress(ipv6(address), address->port);
}

inline ns3_address from_socket(const ns3::Address &address)
{
    ns3_address out{};
    if (ns3::InetSocketAddress::IsMatchingType(address)) {
        auto in = ns3::InetSocketAddress::ConvertFrom(address);
        out.family = 4;
        in.GetIpv4().Serialize(out.ip);
        out.port = in.GetPort();
    } else {
        auto in = ns3::Inet6SocketAddress::ConvertFrom(address);
        out.family = 6;
        in.GetIpv6().Serialize(out.ip);
        out.port = in.GetPort();
    }
    return out;
}

/* Addresses of the link are made of the end, so that they are the same in every run. */
inline ns3::Mac48Address mac_of(uint32_t end)
{
    uint8_t bytes[6] = {2,           0, uint8_t(end >> 24), uint8_t(end >> 16), uint8_t(end >> 8),
                        uint8_t(end)};
    ns3::Mac48Address mac;
    mac.CopyFrom(bytes);
    return mac;
}

inline uint32_t big16(const uint8_t *bytes)
{
    return (uint32_t(bytes[0]) << 8) | bytes[1];
}

/* How long an IP packet says that it is, at most `size`: Ethernet pads short frames. */
inline uint32_t ip_size(const uint8_t *bytes, uint32_t size)
{
    uint32_t says = size;
    if (size >= IPV4_HEADER && bytes[0] >> 4 == 4)
        says = big16(bytes + 2);
    else if (size >= IPV6_HEADER && bytes[0] >> 4 == 6)
        says = IPV6_HEADER + big16(bytes + 4);
    return says < size ? says : size;
}

/* Router and neighbour discovery and listener reports: what IPv6 does for itself on a link. */
inline bool is_of_the_link(const uint8_t *bytes, uint32_t size)
{
    if (size < IPV6_HEADER + 1 || bytes[0] >> 4 != 6 || bytes[6] != 58)
        return false;
    uint8_t type = bytes[IPV6_HEADER];
    return (type >= 130 && type <= 137) || type == 143;
}

/* Multicast and broadcast. */
inline bool is_to_a_group(const uint8_t *bytes, uint32_t size)
{
    if (size >= IPV6_HEADER && bytes[0] >> 4 == 6)
        return bytes[24] == 0xff;
    return size >= IPV4_HEADER && bytes[16] >= 224;
}

/* An IP packet copied out of ns-3: the whole stack may be below the caller, so it lies there. */
struct bytes {
    uint32_t size;
    uint8_t at[PACKET_MAX];

    explicit bytes(const Ptr<const ns3::Packet> &packet) : size(packet->CopyData(at, PACKET_MAX))
    {
    }
};

/* The queue of a device without a discipline. ns-3's own refuses to be made shorter than what
   waits in it. */
class ByteQueue : public ns3::DropTailQueue<ns3::Packet>
{
  public:
    uint32_t limit = 0;

    ByteQueue()
    {
        SetMaxSize(ns3::QueueSize(ns3::QueueSizeUnit::BYTES, UINT32_MAX));
    }
    bool Enqueue(Ptr<ns3::Packet> packet) override
    {
        if (uint64_t(GetNBytes()) + packet->GetSize() > limit) {
            DropBeforeEnqueue(packet);
            return false;
        }
        return DropTailQueue::Enqueue(packet);
    }
};

struct Port;

/* A channel whose directions have each their latency. */
class Wire : public ns3::PointToPointChannel
{
  public:
    uint64_t latency_ns[2] = {0, 0};
    Port *ports[2] = {nullptr, nullptr};

    bool TransmitStart(Ptr<const ns3::Packet> packet, Ptr<ns3::PointToPointNetDevice> from,
                       ns3::Time sending) override;

  private:
    uint64_t last_[2] = {0, 0};
};

class Host;

struct Default {
    uint8_t family;
    ns3_address gateway; /* family 0: none */
    uint32_t metric;
};

struct Address {
    ns3_address address;
    uint32_t bits;
};

/* A network device: at an end of a link from point to point, of a host at a segment, or the box's
   only one there. */
struct Port {
    ns3_network *network = nullptr;
    uint32_t end = 0; /* of the box on a segment: the first of them */
    bool ethernet = false;
    uint8_t discipline_kind = NS3_QUEUE_DROP_TAIL;
    Ptr<ns3::Node> node;
    Ptr<ns3::NetDevice> device;
    Ptr<ByteQueue> queue;
    Ptr<ns3::QueueDisc> discipline;
    Ptr<Wire> wire; /* from point to point */
    unsigned direction = 0;
    Ptr<Host> host; /* null: a box */
    bool up = true;
    ns3::EventId down6; /* IPv6 is about to go down */
    std::vector<Address> addresses;
    std::vector<Default> defaults;
    std::map<ns3::Mac48Address, uint32_t> ends; /* of the box: where a frame of a host comes in */

    void receive(Ptr<ns3::NetDevice> device, Ptr<const ns3::Packet> packet, uint16_t protocol,
                 const ns3::Address &from, const ns3::Address &to, ns3::NetDevice::PacketType type);
    void answer_arp(Ptr<const ns3::Packet> packet, const ns3::Address &from);
    bool answer_solicitation(const bytes &in, const ns3::Address &from);
    bool owns(const ns3_address &address) const;
    bool leaves(Ptr<const ns3::Packet> frame);
    bool passes(Ptr<const ns3::Packet> frame);
    bool is_hosts(const ns3_address &address) const;
    void frame_dropped(Ptr<const ns3::Packet> frame);
    void item_dropped(Ptr<const ns3::QueueDiscItem> item);
    void report_drop(uint32_t at, Ptr<const ns3::Packet> packet);
    bool unframe(const Ptr<ns3::Packet> &frame, ns3::Mac48Address *from, ns3::Mac48Address *to);
    bool end_of(const ns3::Mac48Address &mac, uint32_t *out) const;
    uint32_t mtu() const
    {
        return device->GetMtu();
    }
};

/* Gives a device its queue: its own, or one packet's room and a discipline above that. */
void add_queue(Port &port, const Ptr<ns3::PointToPointNetDevice> &device, const ns3_way &way);
void add_queue(Port &port, const Ptr<ns3::CsmaNetDevice> &device, const ns3_way &way);
/* The device is on its node. */
void attach(Port &port);
/* The queue of a direction from now on; its kind stays. */
void set_queue(Port &port, const ns3_way &way);
/* A packet of a box goes to its queue. */
void send_raw(Port &port, uint32_t end, const uint8_t *bytes, uint32_t size);
/* Whether the packets that come to the device pass is asked of the network's events. */
Ptr<ns3::ErrorModel> new_loss(Port &port);
uint64_t rate_of(const ns3_way &way);

/* What runs on a host: its UDP sockets, one for each local address and port. */
class Host : public ns3::Application
{
  public:
    ns3_network *network = nullptr;
    uint32_t number = 0;
    std::vector<Port *> ports;
    Ptr<ns3::Ipv4L3Protocol> ip4;
    Ptr<ns3::Ipv6L3Protocol> ip6;
    Ptr<ns3::Ipv4StaticRouting> routes4;
    Ptr<ns3::Ipv6StaticRouting> routes6;
    Ptr<ns3::UdpL4Protocol> udp;

    void install(ns3_network *owner, uint32_t host);
    bool open(const ns3_address &local);
    void close(uint16_t port);
    bool send(const ns3_datagram &datagram, const uint8_t *bytes, uint32_t size);
    void add(Port &port, const Address &address);
    void add(Port &port, const Default &route);
    void attach(Port &port);
    void set_up(Port &port, bool up);
    uint32_t mtu() const;

  private:
    struct Open {
        ns3_address local;
        Ptr<ns3::Socket> socket;
    };
    std::vector<Open> open_;

    void start6(uint32_t interface);
    void stop6(uint32_t interface);
    void received(Ptr<ns3::Socket> socket);
    void left4(Ptr<const ns3::Packet> packet, Ptr<ns3::Ipv4> ip, uint32_t interface);
    void left6(Ptr<const ns3::Packet> packet, Ptr<ns3::Ipv6> ip, uint32_t interface);
    void left(const Ptr<ns3::NetDevice> &device, const Ptr<const ns3::Packet> &packet);
    bool send4(const ns3_datagram &datagram, const Ptr<ns3::NetDevice> &device,
               const Ptr<ns3::Packet> &packet);
    bool send6(const ns3_datagram &datagram, const Ptr<ns3::NetDevice> &device,
               const Ptr<ns3::Packet> &packet);
};

/* A TCP connection that keeps its sender's buffer full. */
class Flow
{
  public:
    uint64_t received_bytes = 0;

    Flow(const ns3_flow &flow, Ptr<Host> client, Ptr<Host> server);

  private:
    ns3_flow flow_;
    Ptr<Host> client_host_;
    bool over_ = false;
    Ptr<ns3::Socket> listener_;
    Ptr<ns3::Socket> sender_;
    Ptr<ns3::Socket> receiver_;

    Ptr<ns3::Socket> socket(const Ptr<Host> &host, const Ptr<Host> &other) const;
    void connect();
    void connected(Ptr<ns3::Socket> socket);
    void accepted(Ptr<ns3::Socket> socket, const ns3::Address &from);
    void take(const Ptr<ns3::Socket> &socket, bool sends);
    void fill(Ptr<ns3::Socket> socket, uint32_t room);
    void drain(Ptr<ns3::Socket> socket);
    void stop();
};

} // namespace warren

struct ns3_network {
    ns3_events events{};
    bool begun = false;
    bool ended = false;
    std::vector<ns3::Ptr<ns3::Node>> nodes;
    std::vector<ns3::Ptr<warren::Host>> hosts; /* by node; null: a box */
    std::vector<std::unique_ptr<warren::Port>> ports;
    std::vector<warren::Port *> ends;
    std::vector<std::unique_ptr<warren::Flow>> flows;
    ns3::EventId wake;
    uint64_t fences = 0;
    uint64_t fence_count = 0;

    /* ns-3 would do this in events of the first instant; a packet may be sent before. */
    void begin()
    {
        if (begun)
            return;
        begun = true;
        for (auto &node : nodes)
            node->Initialize();
    }
    void woken()
    {
        events.woken(events.context);
    }
    /* Stops at a time, after every other event of that time: it goes to the end of the queue until
       it is the only one left. */
    void fence()
    {
        fences++;
        uint64_t count = ns3::Simulator::GetEventCount();
        if (count == fence_count + 1) {
            fence_count = 0;
            ns3::Simulator::Stop();
            return;
        }
        fence_count = count;
        ns3::Simulator::ScheduleNow(&ns3_network::fence, this);
    }
    warren::Port &at(uint32_t end)
    {
        return *ends.at(end);
    }
    void put(uint32_t end, warren::Port *port)
    {
        if (ends.size() <= end)
            ends.resize(end + size_t{1});
        ends[end] = port;
    }
    warren::Port &new_port(uint32_t node, uint32_t end);
};

#endif
