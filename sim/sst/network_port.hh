// SPDX-License-Identifier: Apache-2.0
// A bus that runs over a network: one of these at either end, each the other's peer.
#pragma once

#include <sst/core/interfaces/simpleNetwork.h>

#include <deque>

#include "sst/component.hh"
#include "sst/events.hh"

namespace acalsim {

class NetworkPort : public CycleComponent {
public:
    NetworkPort(SST::ComponentId_t id, SST::Params& params);

    void init(unsigned phase) override;
    void setup() override { network_->setup(); }
    void complete(unsigned phase) override { network_->complete(phase); }
    void finish() override { network_->finish(); }

    SST_ELI_REGISTER_COMPONENT(NetworkPort, "acalsim", "NetworkPort",
                               SST_ELI_ELEMENT_VERSION(1, 0, 0),
                               "One end of a bus that runs over a network, merlin's say",
                               COMPONENT_CATEGORY_NETWORK)
    SST_ELI_DOCUMENT_PARAMS({"peer", "the network's number for the other end"},
                            {"clock", "the machine's clock, the same for all its components",
                             "1GHz"},
                            {"verbose", "of no effect", "false"})
    SST_ELI_DOCUMENT_STATISTICS({"packet_bytes", "size of each packet sent", "bytes", 1})
    SST_ELI_DOCUMENT_PORTS({"bus", "to a port of a QEMUBinary or a device", {ACALSIM_BUS_EVENTS}})
    SST_ELI_DOCUMENT_SUBCOMPONENT_SLOTS({"network",
                                         "what reaches the network, merlin.linkcontrol say",
                                         "SST::Interfaces::SimpleNetwork"})

private:
    using Network = SST::Interfaces::SimpleNetwork;

    Network::Request* packet(SST::Event* event) const;
    void on_bus(SST::Event* event);
    bool on_receive(int);
    bool on_space(int);
    void send();

    const Network::nid_t peer_;
    SST::Link* const bus_;
    Network* const network_;
    std::deque<Network::Request*> waiting_;  // for space in the network
    std::deque<SST::Event*> untimed_;        // for the network to be there
    SST::Statistics::Statistic<std::uint64_t>* const packet_bytes_;
};

}  // namespace acalsim
