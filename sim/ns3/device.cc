/* Devices of links and segments: frames, queues, losses, and what a box says on a segment. */
#include "sim/ns3/parts.hh"

#include "ns3/arp-header.h"
#include "ns3/codel-queue-disc.h"
#include "ns3/data-rate.h"
#include "ns3/double.h"
#include "ns3/fq-codel-queue-disc.h"
#include "ns3/hash.h"
#include "ns3/icmpv6-header.h"
#include "ns3/ipv4-queue-disc-item.h"
#include "ns3/ipv6-queue-disc-item.h"
#include "ns3/net-device-queue-interface.h"
#include "ns3/queue-size.h"
#include "ns3/red-queue-disc.h"
#include "ns3/traffic-control-layer.h"
#include "ns3/uinteger.h"

namespace warren
{

namespace
{

/* A packet of a box in a queue discipline. ns-3's own items want the header apart, and would put
   it together again without what they do not know of it. */
class RawItem : public ns3::QueueDiscItem
{
  public:
    RawItem(Ptr<ns3::Packet> packet, const ns3::Address &to, uint16_t protocol)
        : QueueDiscItem(packet, to, protocol)
    {
    }
    void AddHeader() override
    {
    }
    bool Mark() override
    {
        return false;
    }
    /* Of the flow: addresses, protocol, and ports where the packet has them (RFC 8290, section
       4.1.1). */
    uint32_t Hash(uint32_t perturbation) const override
    {
        uint8_t in[60 + 4];
        uint32_t size = GetPacket()->CopyData(in, sizeof in);
        uint8_t key[32 + 1 + 4 + 4] = {};
        uint32_t ports = size;
        if (size >= IPV4_HEADER && in[0] >> 4 == 4) {
            std::memcpy(key, in + 12, 8);
            key[32] = in[9];
            if ((big16(in + 6) & 0x3fff) == 0)
                ports = uint32_t(in[0] & 15) * 4;
        } else if (size >= IPV6_HEADER) {
            std::memcpy(key, in + 8, 32);
            key[32] = in[6];
            ports = IPV6_HEADER;
        }
        if ((key[32] == 6 || key[32] == 17) && ports + 4 <= size)
            std::memcpy(key + 33, in + ports, 4);
        std::memcpy(key + 37, &perturbation, 4);
        return ns3::Hash32(reinterpret_cast<const char *>(key), sizeof key);
    }
};

class Loss : public ns3::ErrorModel
{
  public:
    explicit Loss(Port *port) : port_(port)
    {
    }

  private:
    bool DoCorrupt(Ptr<ns3::Packet> packet) override
    {
        return !port_->passes(packet);
    }
    void DoReset() override
    {
    }
    Port *port_;
};

} // namespace

bool Wire::TransmitStart(Ptr<const ns3::Packet> packet, Ptr<ns3::PointToPointNetDevice> from,
                         ns3::Time sending)
{
    unsigned i = from == GetSource(0) ? 0 : 1;
    if (!ports[i]->leaves(packet))
        return true;
    Ptr<ns3::PointToPointNetDevice> to = GetDestination(i);
    uint64_t now = uint64_t(ns3::Simulator::Now().GetNanoSeconds());
    uint64_t at = now + uint64_t(sending.GetNanoSeconds()) + latency_ns[i];
    /* The latency may have been longer a moment ago. */
    at = at > last_[i] ? at : last_[i];
    last_[i] = at;
    ns3::Simulator::ScheduleWithContext(to->GetNode()->GetId(), ns3::NanoSeconds(at - now),
                                        &ns3::PointToPointNetDevice::Receive, to, packet->Copy());
    return true;
}

/* ---- Devices --------------------------------------------------------------------------------- */

void Port::receive(Ptr<ns3::NetDevice> /* device */, Ptr<const ns3::Packet> packet,
                   uint16_t protocol, const ns3::Address &from, const ns3::Address & /* to */,
                   ns3::NetDevice::PacketType /* type */)
{
    if (network->ended || !up)
        return;
    if (protocol == ETHER_ARP) {
        answer_arp(packet, from);
        return;
    }
    bytes in(packet);
    uint32_t at = end;
    if (ethernet) {
        in.size = ip_size(in.at, in.size);
        if (host == nullptr && answer_solicitation(in, from))
            return;
        /* Frames to groups are the stacks' own affairs. */
        if (is_to_a_group(in.at, in.size))
            return;
        if (host == nullptr && !end_of(ns3::Mac48Address::ConvertFrom(from), &at))
            return;
    }
    if (!is_of_the_link(in.at, in.size))
        network->events.arrived(network->events.context, at, in.at, in.size);
}

bool Port::end_of(const ns3::Mac48Address &mac, uint32_t *out) const
{
    auto found = ends.find(mac);
    if (found == ends.end())
        return false;
    *out = found->second;
    return true;
}

bool Port::owns(const ns3_address &address) const
{
    for (const auto &own : addresses)
        if (own.address.family == address.family &&
            std::memcmp(own.address.ip, address.ip, address.family == 4 ? 4 : 16) == 0)
            return true;
    return false;
}

/* Of a box: whether a host of the segment has it. For all else the box answers, as it forwards. */
bool Port::is_hosts(const ns3_address &address) const
{
    for (const auto &one : ends)
        if (network->at(one.second - 1).owns(address))
            return true;
    return false;
}

/* Into a box's queue or discipline. */
static void put(const Port &port, const Ptr<ns3::Packet> &packet, const ns3::Address &to,
                uint16_t protocol)
{
    if (port.queue)
        port.device->Send(packet, to, protocol);
    else
        port.node->GetObject<ns3::TrafficControlLayer>()->Send(
            port.device, ns3::Create<RawItem>(packet, to, protocol));
}

void Port::answer_arp(Ptr<const ns3::Packet> packet, const ns3::Address &from)
{
    ns3::ArpHeader request;
    if (packet->PeekHeader(request) == 0 || !request.IsRequest())
        return;
    ns3_address target{};
    target.family = 4;
    request.GetDestinationIpv4Address().Serialize(target.ip);
    if (is_hosts(target))
        return;
    ns3::ArpHeader reply;
    reply.SetReply(device->GetAddress(), request.GetDestinationIpv4Address(),
                   request.GetSourceHardwareAddress(), request.GetSourceIpv4Address());
    Ptr<ns3::Packet> answer = ns3::Create<ns3::Packet>();
    answer->AddHeader(reply);
    put(*this, answer, from, ETHER_ARP);
}

/* RFC 4861, section 7.2.4. */
bool Port::answer_solicitation(const bytes &in, const ns3::Address &from)
{
    enum { SOLICITATION = 135, SOLICITATION_SIZE = 24 };
    if (in.size < IPV6_HEADER + SOLICITATION_SIZE || in.at[0] >> 4 != 6 || in.at[6] != 58 ||
        in.at[IPV6_HEADER] != SOLICITATION)
        return false;
    ns3_address target{};
    target.family = 6;
    std::memcpy(target.ip, in.at + IPV6_HEADER + 8, 16);
    ns3::Ipv6Address asks = ns3::Ipv6Address::Deserialize(in.at + 8);
    if (is_hosts(target) || asks.IsAny() || ipv6(&target).IsLinkLocal())
        return true;

    Ptr<ns3::Packet> answer = ns3::Create<ns3::Packet>();
    answer->AddHeader(ns3::Icmpv6OptionLinkLayerAddress(false, device->GetAddress()));
    ns3::Icmpv6NA advertisement;
    advertisement.SetIpv6Target(ipv6(&target));
    advertisement.SetFlagR(true);
    advertisement.SetFlagS(true);
    advertisement.SetFlagO(true);
    advertisement.CalculatePseudoHeaderChecksum(
        ipv6(&target), asks, uint16_t(answer->GetSize() + advertisement.GetSerializedSize()), 58);
    answer->AddHeader(advertisement);
    ns3::Ipv6Header header;
    header.SetSource(ipv6(&target));
    header.SetDestination(asks);
    header.SetNextHeader(58);
    header.SetPayloadLength(uint16_t(answer->GetSize()));
    header.SetHopLimit(255);
    answer->AddHeader(header);
    put(*this, answer, from, ETHER_IPV6);
    return true;
}

/* The end of the host that has this address of the link; false: it is the box's. */
static bool host_on_segment(ns3_network &network, const ns3::Mac48Address &mac, uint32_t *out)
{
    uint8_t bytes[6];
    mac.CopyTo(bytes);
    uint32_t end = big16(bytes + 2) << 16 | big16(bytes + 4);
    if (end % 2 != 0)
        return false;
    *out = end;
    return network.ends.size() > end && network.ends[end] != nullptr;
}

/* Takes the link's header off a frame; false: it is no IP packet. */
bool Port::unframe(const Ptr<ns3::Packet> &frame, ns3::Mac48Address *from, ns3::Mac48Address *to)
{
    if (!ethernet) {
        frame->RemoveAtStart(PPP_HEADER);
        return true;
    }
    uint8_t header[ETHERNET_HEADER];
    if (frame->CopyData(header, sizeof header) < sizeof header)
        return false;
    to->CopyFrom(header);
    from->CopyFrom(header + 6);
    uint32_t type = big16(header + 12);
    if (type != ETHER_IPV4 && type != ETHER_IPV6)
        return false;
    frame->RemoveAtStart(ETHERNET_HEADER);
    frame->RemoveAtEnd(ETHERNET_TRAILER);
    return true;
}

bool Port::leaves(Ptr<const ns3::Packet> frame)
{
    if (network->ended)
        return true;
    Ptr<ns3::Packet> packet = frame->Copy();
    packet->RemoveAtStart(PPP_HEADER);
    bytes in(packet);
    return is_of_the_link(in.at, in.size) ||
           network->events.leaves(network->events.context, end, in.at, in.size);
}

bool Port::passes(Ptr<const ns3::Packet> frame)
{
    if (network->ended)
        return true;
    Ptr<ns3::Packet> packet = frame->Copy();
    ns3::Mac48Address from;
    ns3::Mac48Address to;
    uint32_t at = end;
    if (!unframe(packet, &from, &to))
        return true;
    /* Every device on a segment sees every frame. */
    if (ethernet && (to != ns3::Mac48Address::ConvertFrom(device->GetAddress()) ||
                     (host == nullptr && !end_of(from, &at))))
        return true;
    bytes in(packet);
    in.size = ip_size(in.at, in.size);
    if (is_of_the_link(in.at, in.size))
        return true;
    const ns3_events &ask = network->events;
    uint32_t sender;
    if (ethernet && host_on_segment(*network, from, &sender)) {
        if (!ask.leaves(ask.context, sender, in.at, in.size) ||
            (host && !ask.passes(ask.context, sender + 1, in.at, in.size)))
            return false;
    }
    return ask.passes(ask.context, at, in.at, in.size);
}

void Port::report_drop(uint32_t at, Ptr<const ns3::Packet> packet)
{
    bytes in(packet);
    in.size = ip_size(in.at, in.size);
    if (!network->ended && !is_of_the_link(in.at, in.size))
        network->events.dropped(network->events.context, at, in.at, in.size);
}

void Port::frame_dropped(Ptr<const ns3::Packet> frame)
{
    Ptr<ns3::Packet> packet = frame->Copy();
    ns3::Mac48Address from;
    ns3::Mac48Address to;
    uint32_t at = end;
    if (!unframe(packet, &from, &to) || (ethernet && host == nullptr && !end_of(to, &at)))
        return;
    report_drop(at, packet);
}

void Port::item_dropped(Ptr<const ns3::QueueDiscItem> item)
{
    if (item->GetProtocol() == ETHER_ARP)
        return;
    uint32_t at = end;
    if (ethernet && host == nullptr &&
        !end_of(ns3::Mac48Address::ConvertFrom(item->GetAddress()), &at))
        return;
    Ptr<ns3::Packet> packet = item->GetPacket()->Copy();
    const ns3::QueueDiscItem *plain = ns3::PeekPointer(item);
    if (auto four = dynamic_cast<const ns3::Ipv4QueueDiscItem *>(plain))
        packet->AddHeader(four->GetHeader());
    else if (auto six = dynamic_cast<const ns3::Ipv6QueueDiscItem *>(plain))
        packet->AddHeader(six->GetHeader());
    report_drop(at, packet);
}

static uint32_t at_least(uint32_t value, uint32_t least)
{
    return value > least ? value : least;
}

/* Less than one packet would be no queue but a closed door. */
static uint32_t limit_of(const Port &port, const ns3_way &way)
{
    uint32_t frame = port.ethernet ? ETHERNET_HEADER + ETHERNET_TRAILER : PPP_HEADER;
    return at_least(way.queue_bytes, way.mtu + frame);
}

/* How long a discipline's queue may be. FqCoDel counts packets, and none may be made shorter than
   what waits in it. */
static ns3::QueueSize size_of(const Port &port, const ns3_way &way)
{
    if (port.discipline_kind == NS3_QUEUE_FQ_CODEL)
        return ns3::QueueSize(ns3::QueueSizeUnit::PACKETS,
                              at_least(at_least(way.queue_bytes / way.mtu, 1),
                                       port.discipline ? port.discipline->GetNPackets() : 0));
    return ns3::QueueSize(
        ns3::QueueSizeUnit::BYTES,
        at_least(limit_of(port, way), port.discipline ? port.discipline->GetNBytes() : 0));
}

/* Thresholds at a quarter and three quarters of the queue: the upper is three times the lower, as
   the authors of RED advise. */
static void set_red(Port &port, const ns3_way &way)
{
    uint32_t limit = limit_of(port, way);
    port.discipline->SetAttribute("MinTh", ns3::DoubleValue(limit / 4));
    port.discipline->SetAttribute("MaxTh", ns3::DoubleValue(limit / 4 * 3));
}

uint64_t rate_of(const ns3_way &way)
{
    return way.rate_bps != 0 ? way.rate_bps : UNLIMITED_BPS;
}

static Ptr<ns3::QueueDisc> new_discipline(Port &port, const ns3_way &way)
{
    port.discipline_kind = way.queue;
    ns3::QueueSizeValue size(size_of(port, way));
    if (way.queue == NS3_QUEUE_CODEL)
        return ns3::CreateObjectWithAttributes<ns3::CoDelQueueDisc>("MaxSize", size);
    if (way.queue == NS3_QUEUE_FQ_CODEL)
        return ns3::CreateObjectWithAttributes<ns3::FqCoDelQueueDisc>("MaxSize", size);
    auto red = ns3::CreateObjectWithAttributes<ns3::RedQueueDisc>(
        "MaxSize", size, "LinkBandwidth", ns3::DataRateValue(ns3::DataRate(rate_of(way))),
        "MeanPktSize", ns3::UintegerValue(1000));
    red->AssignStreams(STREAMS_OF_DISCIPLINES + port.end);
    return red;
}

/* Gives a device its queue: either its own, or one packet and a discipline above that. */
template <class Device>
static void add_any_queue(Port &port, const Ptr<Device> &device, const ns3_way &way)
{
    if (way.queue == NS3_QUEUE_DROP_TAIL) {
        port.queue = ns3::CreateObject<ByteQueue>();
        port.queue->limit = limit_of(port, way);
        port.queue->TraceConnectWithoutContext("Drop",
                                               ns3::MakeCallback(&Port::frame_dropped, &port));
        device->SetQueue(port.queue);
        return;
    }
    Ptr<ns3::Queue<ns3::Packet>> one =
        ns3::CreateObjectWithAttributes<ns3::DropTailQueue<ns3::Packet>>(
            "MaxSize", ns3::QueueSizeValue(ns3::QueueSize(ns3::QueueSizeUnit::PACKETS, 1)));
    device->SetQueue(one);
    auto control = ns3::CreateObject<ns3::NetDeviceQueueInterface>();
    control->GetTxQueue(0)->ConnectQueueTraces(one);
    device->AggregateObject(control);
    auto traffic = port.node->GetObject<ns3::TrafficControlLayer>();
    if (!traffic) {
        traffic = ns3::CreateObject<ns3::TrafficControlLayer>();
        port.node->AggregateObject(traffic);
    }
    port.discipline = new_discipline(port, way);
    if (way.queue == NS3_QUEUE_RED)
        set_red(port, way);
    port.discipline->TraceConnectWithoutContext("Drop",
                                                ns3::MakeCallback(&Port::item_dropped, &port));
    traffic->SetRootQueueDiscOnDevice(device, port.discipline);
}

void add_queue(Port &port, const Ptr<ns3::PointToPointNetDevice> &device, const ns3_way &way)
{
    add_any_queue(port, device, way);
}

void add_queue(Port &port, const Ptr<ns3::CsmaNetDevice> &device, const ns3_way &way)
{
    add_any_queue(port, device, way);
}

void set_queue(Port &port, const ns3_way &way)
{
    if (port.queue)
        port.queue->limit = limit_of(port, way);
    else
        port.discipline->SetMaxSize(size_of(port, way));
    if (port.discipline_kind == NS3_QUEUE_RED)
        set_red(port, way);
}

void send_raw(Port &port, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    Ptr<ns3::Packet> packet = ns3::Create<ns3::Packet>(bytes, size);
    uint16_t protocol = size > 0 && bytes[0] >> 4 == 6 ? ETHER_IPV6 : ETHER_IPV4;
    ns3::Address to = port.device->GetBroadcast();
    if (port.ethernet)
        to = mac_of(end - 1);
    put(port, packet, to, protocol);
}

Ptr<ns3::ErrorModel> new_loss(Port &port)
{
    return ns3::CreateObject<Loss>(&port);
}

/* The device is on its node. The shim listens before the stack does, so that a packet has arrived
   before what the stack makes of it. */
void attach(Port &port)
{
    auto listen = ns3::MakeCallback(&Port::receive, &port);
    port.node->RegisterProtocolHandler(listen, ETHER_IPV4, port.device);
    port.node->RegisterProtocolHandler(listen, ETHER_IPV6, port.device);
    if (!port.host) {
        if (port.ethernet)
            port.node->RegisterProtocolHandler(listen, ETHER_ARP, port.device);
        return;
    }
    port.host->attach(port);
}

} // namespace warren
