/* Hosts with stacks of ns-3's: sockets, addresses, routes, and TCP connections between them. */
#include "sim/ns3/parts.hh"

#include "ns3/boolean.h"
#include "ns3/icmpv6-l4-protocol.h"
#include "ns3/internet-stack-helper.h"
#include "ns3/ipv4-route.h"
#include "ns3/ipv4-static-routing-helper.h"
#include "ns3/ipv6-interface.h"
#include "ns3/ipv6-route.h"
#include "ns3/ipv6-static-routing-helper.h"
#include "ns3/tcp-socket-factory.h"
#include "ns3/udp-header.h"
#include "ns3/udp-socket-factory.h"
#include "ns3/uinteger.h"

namespace warren
{

/* ---- Hosts ----------------------------------------------------------------------------------- */

void Host::install(ns3_network *owner, uint32_t host)
{
    network = owner;
    number = host;
    Ptr<ns3::Node> node = owner->nodes[host];
    ns3::InternetStackHelper stack;
    stack.SetRoutingHelper(ns3::Ipv4StaticRoutingHelper());
    stack.SetRoutingHelper(ns3::Ipv6StaticRoutingHelper());
    /* Other stacks do not wait before they ask for an address. */
    stack.SetIpv4ArpJitter(false);
    stack.SetIpv6NsRsJitter(false);
    stack.Install(node);
    stack.AssignStreams(ns3::NodeContainer(node), STREAMS_PER_NODE * int64_t(host));
    ip4 = node->GetObject<ns3::Ipv4L3Protocol>();
    ip6 = node->GetObject<ns3::Ipv6L3Protocol>();
    udp = node->GetObject<ns3::UdpL4Protocol>();
    routes4 = ns3::DynamicCast<ns3::Ipv4StaticRouting>(ip4->GetRoutingProtocol());
    routes6 = ns3::DynamicCast<ns3::Ipv6StaticRouting>(ip6->GetRoutingProtocol());
    ip4->SetAttribute("IpForward", ns3::BooleanValue(false));
    ip6->SetAttribute("IpForward", ns3::BooleanValue(false));
    ip4->TraceConnectWithoutContext("Tx", ns3::MakeCallback(&Host::left4, this));
    ip6->TraceConnectWithoutContext("Tx", ns3::MakeCallback(&Host::left6, this));
    /* Without the detection of duplicates no router is asked for, either. */
    ip6->GetIcmpv6()->SetAttribute("DAD", ns3::BooleanValue(false));
    node->AddApplication(this);
}

bool Host::open(const ns3_address &local)
{
    auto socket = ns3::Socket::CreateSocket(GetNode(), ns3::UdpSocketFactory::GetTypeId());
    /* What comes is read at once, so this bounds nothing. */
    socket->SetAttribute("RcvBufSize", ns3::UintegerValue(UINT32_MAX));
    if (socket->Bind(socket_address(&local)) != 0)
        return false;
    socket->SetRecvCallback(ns3::MakeCallback(&Host::received, this));
    open_.push_back({local, socket});
    return true;
}

void Host::close(uint16_t port)
{
    for (size_t i = open_.size(); i-- > 0;) {
        if (open_[i].local.port != port)
            continue;
        open_[i].socket->SetRecvCallback(ns3::MakeNullCallback<void, Ptr<ns3::Socket>>());
        open_[i].socket->Close();
        open_.erase(open_.begin() + std::ptrdiff_t(i));
    }
}

void Host::received(Ptr<ns3::Socket> socket)
{
    ns3::Address from;
    ns3::Address own;
    socket->GetSockName(own);
    ns3_address local = from_socket(own);
    while (Ptr<ns3::Packet> packet = socket->RecvFrom(from)) {
        if (network->ended)
            return;
        ns3_address remote = from_socket(from);
        bytes in(packet);
        network->events.received(network->events.context, number, &local, &remote, in.at, in.size);
    }
}

/* The stack's layer of IP has sent a packet: before ARP, a discipline and the device. */
void Host::left(const Ptr<ns3::NetDevice> &device, const Ptr<const ns3::Packet> &packet)
{
    for (const Port *port : ports) {
        if (port->device != device)
            continue;
        bytes out(packet);
        if (!network->ended && !is_of_the_link(out.at, out.size))
            network->events.left(network->events.context, port->end, out.at, out.size);
        return;
    }
}

void Host::left4(Ptr<const ns3::Packet> packet, Ptr<ns3::Ipv4> ip, uint32_t interface)
{
    uint8_t header[IPV4_HEADER];
    if (packet->CopyData(header, sizeof header) == sizeof header &&
        ip->GetInterfaceForAddress(ns3::Ipv4Address::Deserialize(header + 16)) < 0)
        left(ip->GetNetDevice(interface), packet);
}

void Host::left6(Ptr<const ns3::Packet> packet, Ptr<ns3::Ipv6> ip, uint32_t interface)
{
    uint8_t header[IPV6_HEADER];
    if (packet->CopyData(header, sizeof header) == sizeof header &&
        ip->GetInterfaceForAddress(ns3::Ipv6Address::Deserialize(header + 24)) < 0)
        left(ip->GetNetDevice(interface), packet);
}

/*
 * A socket of ns-3's that is bound to an address does not mind the device that it is bound to, and
 * sends by the first route there is. So here the route is looked up for the device, and the
 * datagram given to the layer of UDP, which is what a socket does as well.
 */
bool Host::send(const ns3_datagram &datagram, const uint8_t *bytes, uint32_t size)
{
    const Port &port = network->at(datagram.end);
    bool listed = false;
    for (const auto &socket : open_)
        listed = listed || (socket.local.family == datagram.local.family &&
                            socket.local.port == datagram.local.port &&
                            std::memcmp(socket.local.ip, datagram.local.ip,
                                        datagram.local.family == 4 ? 4 : 16) == 0);
    uint32_t headers = UDP_HEADER + (datagram.local.family == 4 ? IPV4_HEADER : IPV6_HEADER);
    if (!listed || !port.up || (datagram.dont_fragment && size + headers > port.mtu()))
        return false;
    Ptr<ns3::Packet> packet = ns3::Create<ns3::Packet>(bytes, size);
    return datagram.local.family == 4 ? send4(datagram, port.device, packet)
                                      : send6(datagram, port.device, packet);
}

bool Host::send4(const ns3_datagram &datagram, const Ptr<ns3::NetDevice> &device,
                 const Ptr<ns3::Packet> &packet)
{
    ns3::Ipv4Header header;
    header.SetSource(ipv4(&datagram.local));
    header.SetDestination(ipv4(&datagram.remote));
    header.SetProtocol(ns3::UdpL4Protocol::PROT_NUMBER);
    /* To one of its own addresses a host sends by itself, whatever the end is. */
    bool own = ip4->GetInterfaceForAddress(header.GetDestination()) >= 0;
    ns3::Socket::SocketErrno error;
    Ptr<ns3::Ipv4Route> route = routes4->RouteOutput(packet, header, own ? nullptr : device, error);
    if (!route)
        return false;
    if (datagram.dont_fragment) {
        /* The stack itself has no way to set the mark. */
        ns3::UdpHeader udp_header;
        udp_header.SetSourcePort(datagram.local.port);
        udp_header.SetDestinationPort(datagram.remote.port);
        udp_header.EnableChecksums();
        udp_header.InitializeChecksum(header.GetSource(), header.GetDestination(),
                                      header.GetProtocol());
        packet->AddHeader(udp_header);
        header.SetPayloadSize(uint16_t(packet->GetSize()));
        header.SetTtl(datagram.ttl);
        header.SetDontFragment();
        ip4->SendWithHeader(packet, header, route);
        return true;
    }
    ns3::SocketIpTtlTag ttl;
    ttl.SetTtl(datagram.ttl);
    packet->AddPacketTag(ttl);
    udp->Send(packet, header.GetSource(), header.GetDestination(), datagram.local.port,
              datagram.remote.port, route);
    return true;
}

bool Host::send6(const ns3_datagram &datagram, const Ptr<ns3::NetDevice> &device,
                 const Ptr<ns3::Packet> &packet)
{
    ns3::Ipv6Header header;
    header.SetSource(ipv6(&datagram.local));
    header.SetDestination(ipv6(&datagram.remote));
    header.SetNextHeader(ns3::UdpL4Protocol::PROT_NUMBER);
    bool own = ip6->GetInterfaceForAddress(header.GetDestination()) >= 0;
    ns3::Socket::SocketErrno error;
    Ptr<ns3::Ipv6Route> route = routes6->RouteOutput(packet, header, own ? nullptr : device, error);
    if (!route || !ip6->IsUp(uint32_t(ip6->GetInterfaceForDevice(route->GetOutputDevice()))))
        return false;
    ns3::SocketIpv6HopLimitTag ttl;
    ttl.SetHopLimit(datagram.ttl);
    packet->AddPacketTag(ttl);
    /* IPv6 has no mark against fragments: the stack must not cut it for the path's MTU. */
    if (datagram.dont_fragment)
        ip6->SetAttribute("MtuDiscover", ns3::BooleanValue(false));
    udp->Send(packet, header.GetSource(), header.GetDestination(), datagram.local.port,
              datagram.remote.port, route);
    if (datagram.dont_fragment)
        ip6->SetAttribute("MtuDiscover", ns3::BooleanValue(true));
    return true;
}

void Host::add(Port &port, const Address &address)
{
    if (address.address.family == 4) {
        uint32_t mask = address.bits == 0 ? 0 : UINT32_MAX << (32 - address.bits);
        ip4->AddAddress(uint32_t(ip4->GetInterfaceForDevice(port.device)),
                        ns3::Ipv4InterfaceAddress(ipv4(&address.address), ns3::Ipv4Mask(mask)));
        return;
    }
    uint32_t interface = uint32_t(ip6->GetInterfaceForDevice(port.device));
    ip6->AddAddress(interface, ns3::Ipv6InterfaceAddress(ipv6(&address.address),
                                                         ns3::Ipv6Prefix(uint8_t(address.bits))));
    ip6->GetInterface(interface)->SetState(ipv6(&address.address),
                                           ns3::Ipv6InterfaceAddress::PREFERRED);
}

void Host::add(Port &port, const Default &route)
{
    bool gateway = route.gateway.family != 0;
    if (route.family == 4)
        routes4->SetDefaultRoute(gateway ? ipv4(&route.gateway) : ns3::Ipv4Address::GetAny(),
                                 uint32_t(ip4->GetInterfaceForDevice(port.device)), route.metric);
    else
        routes6->SetDefaultRoute(gateway ? ipv6(&route.gateway) : ns3::Ipv6Address::GetAny(),
                                 uint32_t(ip6->GetInterfaceForDevice(port.device)),
                                 ns3::Ipv6Address::GetAny(), route.metric);
}

/* An interface of IPv6 that comes up asks for routers, unless it is a router's own. */
void Host::start6(uint32_t interface)
{
    ip6->SetForwarding(interface, true);
    ip6->SetUp(interface);
    /* After what SetUp() has scheduled for this moment. */
    ns3::Simulator::ScheduleNow(&ns3::Ipv6L3Protocol::SetForwarding, ip6, interface, false);
}

/* It was never up where the MTU is too small for IPv6, and ns-3 cannot take down what is not up. */
void Host::stop6(uint32_t interface)
{
    if (ip6->IsUp(interface))
        ip6->SetDown(interface);
}

void Host::attach(Port &port)
{
    ports.push_back(&port);
    uint32_t four = ip4->AddInterface(port.device);
    ip4->SetMetric(four, 1);
    ip4->SetUp(four);
    uint32_t six = ip6->AddInterface(port.device);
    ip6->SetMetric(six, 1);
    start6(six);
}

/*
 * Going down, a stack forgets routes by the interface, and its addresses of IPv6. ns-3 crashes where
 * a solicitation that it has scheduled for this moment then has no address to leave from: so IPv6
 * goes down after that.
 */
void Host::set_up(Port &port, bool up)
{
    if (port.up == up)
        return;
    port.up = up;
    uint32_t four = uint32_t(ip4->GetInterfaceForDevice(port.device));
    uint32_t six = uint32_t(ip6->GetInterfaceForDevice(port.device));
    if (!up) {
        ip4->SetDown(four);
        port.down6 = ns3::Simulator::ScheduleNow(&Host::stop6, this, six);
        return;
    }
    ip4->SetUp(four);
    bool was_down6 = port.down6.IsExpired();
    port.down6.Cancel();
    if (was_down6)
        start6(six);
    for (const auto &address : port.addresses)
        if (address.address.family == 6 && was_down6)
            add(port, address);
    for (const auto &route : port.defaults)
        if (route.family == 4 || was_down6)
            add(port, route);
}

uint32_t Host::mtu() const
{
    uint32_t least = UINT16_MAX;
    for (const Port *port : ports)
        least = port->mtu() < least ? port->mtu() : least;
    return least;
}

/* ---- Flows ----------------------------------------------------------------------------------- */

Flow::Flow(const ns3_flow &flow, Ptr<Host> client, Ptr<Host> server)
    : flow_(flow), client_host_(client), listener_(socket(server, client)), sender_(nullptr),
      receiver_(nullptr)
{
    listener_->Bind(socket_address(&flow_.address));
    listener_->Listen();
    listener_->SetAcceptCallback(
        ns3::MakeNullCallback<bool, Ptr<ns3::Socket>, const ns3::Address &>(),
        ns3::MakeCallback(&Flow::accepted, this));
    Ptr<ns3::Socket> opens = socket(client, server);
    (flow_.upload ? sender_ : receiver_) = opens;
    ns3::Time now = ns3::Simulator::Now();
    ns3::Simulator::Schedule(ns3::NanoSeconds(flow_.from_ns) - now, &Flow::connect, this);
    ns3::Simulator::Schedule(ns3::NanoSeconds(flow_.until_ns) - now, &Flow::stop, this);
}

Ptr<ns3::Socket> Flow::socket(const Ptr<Host> &host, const Ptr<Host> &other) const
{
    auto made = ns3::Socket::CreateSocket(host->GetNode(), ns3::TcpSocketFactory::GetTypeId());
    uint32_t mtu = host->mtu() < other->mtu() ? host->mtu() : other->mtu();
    uint32_t headers = TCP_HEADER + (flow_.address.family == 4 ? IPV4_HEADER : IPV6_HEADER);
    made->SetAttribute("SegmentSize", ns3::UintegerValue(mtu - headers));
    made->SetAttribute("SndBufSize", ns3::UintegerValue(TCP_BUFFER));
    made->SetAttribute("RcvBufSize", ns3::UintegerValue(TCP_BUFFER));
    return made;
}

void Flow::connect()
{
    Ptr<ns3::Socket> opens = flow_.upload ? sender_ : receiver_;
    opens->SetConnectCallback(ns3::MakeCallback(&Flow::connected, this),
                              ns3::MakeNullCallback<void, Ptr<ns3::Socket>>());
    if (flow_.address.family == 4)
        opens->Bind();
    else
        opens->Bind6();
    opens->Connect(socket_address(&flow_.address));
}

void Flow::connected(Ptr<ns3::Socket> socket)
{
    take(socket, flow_.upload);
}

void Flow::accepted(Ptr<ns3::Socket> socket, const ns3::Address & /* from */)
{
    (flow_.upload ? receiver_ : sender_) = socket;
    take(socket, !flow_.upload);
}

void Flow::take(const Ptr<ns3::Socket> &socket, bool sends)
{
    if (!sends) {
        socket->SetRecvCallback(ns3::MakeCallback(&Flow::drain, this));
        return;
    }
    socket->SetSendCallback(ns3::MakeCallback(&Flow::fill, this));
    fill(socket, 0);
}

void Flow::fill(Ptr<ns3::Socket> socket, uint32_t /* room */)
{
    while (!over_) {
        uint32_t room = socket->GetTxAvailable();
        if (room == 0 || socket->Send(ns3::Create<ns3::Packet>(room < CHUNK ? room : CHUNK)) <= 0)
            return;
    }
}

void Flow::drain(Ptr<ns3::Socket> socket)
{
    if (over_) {
        /* What a socket leaves unread when it closes resets the connection, which ends it at once
           and not when the sender's buffer is empty. */
        socket->SetRecvCallback(ns3::MakeNullCallback<void, Ptr<ns3::Socket>>());
        socket->Close();
        return;
    }
    while (Ptr<ns3::Packet> packet = socket->Recv()) {
        if (packet->GetSize() == 0)
            return;
        received_bytes += packet->GetSize();
    }
}

void Flow::stop()
{
    over_ = true;
    listener_->Close();
    if (sender_)
        sender_->Close();
}

} // namespace warren
