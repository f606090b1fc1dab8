// SPDX-License-Identifier: Apache-2.0
#include "sst/network_port.hh"

namespace acalsim {

namespace {

constexpr int kVirtualNetwork = 0;
constexpr std::uint64_t kHeaderBytes =
    24;  // address, size, kind and number of an access or a transfer

}  // namespace

NetworkPort::NetworkPort(SST::ComponentId_t id, SST::Params& params)
    : CycleComponent(id, params),
      peer_(params.find<Network::nid_t>("peer", -1)),
      bus_(configureLink("bus", handler<&NetworkPort::on_bus>(this))),
      network_(loadUserSubComponent<Network>("network", SST::ComponentInfo::SHARE_NONE, 1)),
      packet_bytes_(registerStatistic<std::uint64_t>("packet_bytes")) {
    if (!bus_ || !network_ || peer_ < 0)
        fail("NetworkPort '" + getName() +
             "' needs its port 'bus', its slot 'network' and its parameter 'peer'");
    network_->setNotifyOnReceive(new Network::Handler<NetworkPort, &NetworkPort::on_receive>(this));
    network_->setNotifyOnSend(new Network::Handler<NetworkPort, &NetworkPort::on_space>(this));
}

void NetworkPort::init(unsigned phase) {
    network_->init(phase);
    while (SST::Event* event = bus_->recvUntimedData()) untimed_.push_back(event);
    if (!network_->isNetworkInitialized()) return;
    for (; !untimed_.empty(); untimed_.pop_front())
        network_->sendUntimedData(packet(untimed_.front()));
    while (Network::Request* request = network_->recvUntimedData()) {
        bus_->sendUntimedData(request->takePayload());
        delete request;
    }
}

NetworkPort::Network::Request* NetworkPort::packet(SST::Event* event) const {
    std::uint64_t bytes = kHeaderBytes;
    if (const auto* transfer = dynamic_cast<DmaEvent*>(event)) bytes += transfer->data.size();
    auto* request =
        new Network::Request(peer_, network_->getEndpointID(), bytes * 8, true, true, event);
    request->vn = kVirtualNetwork;
    return request;
}

void NetworkPort::on_bus(SST::Event* event) {
    waiting_.push_back(packet(event));
    send();
}

bool NetworkPort::on_space(int) {
    send();
    return !waiting_.empty();
}

void NetworkPort::send() {
    while (!waiting_.empty()) {
        Network::Request* const next = waiting_.front();
        const auto bits = next->size_in_bits;
        if (!network_->spaceToSend(kVirtualNetwork, int(bits)) ||
            !network_->send(next, kVirtualNetwork))
            return;
        packet_bytes_->addData(bits / 8);
        waiting_.pop_front();
    }
}

bool NetworkPort::on_receive(int) {
    while (Network::Request* request = network_->recv(kVirtualNetwork)) {
        bus_->send(request->takePayload());
        delete request;
    }
    return true;
}

}  // namespace acalsim
