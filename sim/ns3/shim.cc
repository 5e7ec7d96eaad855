/*
 * The functions of shim.h, on ns-3 3.37. Nothing that calls them is C++, so what ns-3 might throw
 * finds no handler and ends the process where it is thrown, as ns-3's own fatal errors do.
 */
#include "sim/ns3/parts.hh"

#include "ns3/boolean.h"
#include "ns3/config.h"
#include "ns3/csma-channel.h"
#include "ns3/data-rate.h"
#include "ns3/global-value.h"
#include "ns3/rng-seed-manager.h"
#include "ns3/uinteger.h"

using namespace warren;

Port &ns3_network::new_port(uint32_t node, uint32_t end)
{
    ports.push_back(std::make_unique<Port>());
    Port &port = *ports.back();
    port.network = this;
    port.end = end;
    port.node = nodes[node];
    port.host = hosts[node];
    put(end, &port);
    return port;
}

/* ---- Interface ------------------------------------------------------------------------------- */

ns3_network *ns3_new(uint64_t seed, const ns3_events *events)
{
    /* ns-3's seeds are of 32 bits and not all allowed; its runs are of 64. */
    constexpr uint32_t seeds = 4294944442;
    ns3::RngSeedManager::SetSeed(1 + uint32_t((seed >> 32) % seeds));
    ns3::RngSeedManager::SetRun(seed);
    ns3::GlobalValue::Bind("ChecksumEnabled", ns3::BooleanValue(true));
    /* Packets that wait for an address of the link: about as many as Linux keeps, and not 3. */
    ns3::Config::SetDefault("ns3::ArpCache::PendingQueueSize", ns3::UintegerValue(100));
    ns3::Config::SetDefault("ns3::NdiscCache::UnresolvedQueueSize", ns3::UintegerValue(100));
    auto network = new ns3_network;
    network->events = *events;
    return network;
}

void ns3_free(ns3_network *network)
{
    network->ended = true;
    ns3::Simulator::Destroy();
    delete network;
}

uint32_t ns3_box(ns3_network *network)
{
    network->nodes.push_back(ns3::CreateObject<ns3::Node>());
    network->hosts.push_back(nullptr);
    return uint32_t(network->nodes.size() - 1);
}

uint32_t ns3_host(ns3_network *network)
{
    uint32_t number = ns3_box(network);
    network->hosts[number] = ns3::CreateObject<Host>();
    network->hosts[number]->install(network, number);
    return number;
}

void ns3_link(ns3_network *network, uint32_t link, const uint32_t nodes[2], const ns3_way ways[2])
{
    auto wire = ns3::CreateObject<Wire>();
    Port *ports[2];
    for (unsigned i = 0; i < 2; i++) {
        Port &port = network->new_port(nodes[i], 2 * link + i);
        auto device = ns3::CreateObject<ns3::PointToPointNetDevice>();
        device->SetAddress(mac_of(port.end));
        device->SetDataRate(ns3::DataRate(rate_of(ways[i])));
        device->SetMtu(uint16_t(ways[i].mtu));
        device->SetReceiveErrorModel(new_loss(port));
        port.device = device;
        port.wire = wire;
        port.direction = i;
        wire->latency_ns[i] = ways[i].latency_ns;
        wire->ports[i] = &port;
        port.node->AddDevice(device);
        add_queue(port, device, ways[i]);
        device->Attach(wire);
        ports[i] = &port;
    }
    for (Port *port : ports)
        attach(*port);
}

static Port &add_to_segment(ns3_network *network, const Ptr<ns3::CsmaChannel> &channel,
                            uint32_t node, uint32_t end, const ns3_way *way)
{
    Port &port = network->new_port(node, end);
    auto device = ns3::CreateObject<ns3::CsmaNetDevice>();
    port.ethernet = true;
    port.device = device;
    device->SetAddress(mac_of(end));
    device->SetMtu(uint16_t(way->mtu));
    device->SetReceiveErrorModel(new_loss(port));
    device->AssignStreams(STREAMS_OF_DEVICES + end);
    port.node->AddDevice(device);
    add_queue(port, device, *way);
    /* Given up after too many attempts. */
    device->TraceConnectWithoutContext("PhyTxDrop", ns3::MakeCallback(&Port::frame_dropped, &port));
    device->Attach(channel);
    attach(port);
    return port;
}

void ns3_segment(ns3_network *network, const uint32_t *links, const uint32_t *hosts, uint32_t count,
                 uint32_t box, const ns3_way *way)
{
    auto channel = ns3::CreateObjectWithAttributes<ns3::CsmaChannel>(
        "DataRate", ns3::DataRateValue(ns3::DataRate(rate_of(*way))), "Delay",
        ns3::TimeValue(ns3::NanoSeconds(way->latency_ns)));
    Port &middle = add_to_segment(network, channel, box, 2 * links[0] + 1, way);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t end = 2 * links[i];
        add_to_segment(network, channel, hosts[i], end, way);
        middle.ends[mac_of(end)] = end + 1;
        network->put(end + 1, &middle);
    }
}

void ns3_add_address(ns3_network *network, uint32_t end, const ns3_address *address, uint32_t bits)
{
    Port &port = network->at(end);
    if (!port.host && port.owns(*address))
        return;
    port.addresses.push_back({*address, bits});
    if (port.host)
        port.host->add(port, port.addresses.back());
}

void ns3_add_default(ns3_network *network, uint32_t end, uint8_t family, const ns3_address *gateway,
                     uint32_t metric)
{
    Port &port = network->at(end);
    port.defaults.push_back({family, gateway != nullptr ? *gateway : ns3_address{}, metric});
    port.host->add(port, port.defaults.back());
}

void ns3_set_way(ns3_network *network, uint32_t end, const ns3_way *way)
{
    Port &port = network->at(end);
    port.wire->latency_ns[port.direction] = way->latency_ns;
    ns3::DynamicCast<ns3::PointToPointNetDevice>(port.device)
        ->SetDataRate(ns3::DataRate(rate_of(*way)));
    port.device->SetMtu(uint16_t(way->mtu));
    set_queue(port, *way);
}

void ns3_set_up(ns3_network *network, uint32_t end, bool up)
{
    Port &port = network->at(end);
    port.host->set_up(port, up);
}

void ns3_carry(ns3_network *network, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    network->begin();
    send_raw(network->at(end), end, bytes, size);
}

bool ns3_open(ns3_network *network, uint32_t host, const ns3_address *local)
{
    return network->hosts.at(host)->open(*local);
}

void ns3_close(ns3_network *network, uint32_t host, uint16_t port)
{
    network->hosts.at(host)->close(port);
}

bool ns3_send(ns3_network *network, uint32_t host, const ns3_datagram *datagram,
              const uint8_t *bytes, uint32_t size)
{
    network->begin();
    return network->hosts.at(host)->send(*datagram, bytes, size);
}

uint32_t ns3_add_flow(ns3_network *network, const ns3_flow *flow)
{
    network->flows.push_back(std::make_unique<Flow>(*flow, network->hosts.at(flow->client),
                                                    network->hosts.at(flow->server)));
    return uint32_t(network->flows.size() - 1);
}

uint64_t ns3_flow_bytes(const ns3_network *network, uint32_t flow)
{
    return network->flows.at(flow)->received_bytes;
}

uint64_t ns3_now(const ns3_network * /* network */)
{
    return uint64_t(ns3::Simulator::Now().GetNanoSeconds());
}

void ns3_wake(ns3_network *network, uint64_t at_ns)
{
    network->wake.Cancel();
    if (at_ns == UINT64_MAX)
        return;
    uint64_t now = ns3_now(network);
    network->wake = ns3::Simulator::Schedule(ns3::NanoSeconds(at_ns > now ? at_ns - now : 0),
                                             &ns3_network::woken, network);
}

void ns3_run(ns3_network *network, uint64_t until_ns)
{
    network->begin();
    uint64_t now = ns3_now(network);
    ns3::Simulator::Schedule(ns3::NanoSeconds(until_ns > now ? until_ns - now : 0),
                             &ns3_network::fence, network);
    ns3::Simulator::Run();
}

uint64_t ns3_event_count(const ns3_network *network)
{
    return ns3::Simulator::GetEventCount() - network->fences;
}
