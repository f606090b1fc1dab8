// SPDX-License-Identifier: Apache-2.0
// Echo: what is written to DATA_IN appears in DATA_OUT latency_cycles later. It also ends the
// simulation when told to.
#include <cinttypes>

#include "model/registry.hh"

namespace acalsim {

class Echo : public Device {
public:
    explicit Echo(const Slot& slot)
        : Device(slot), latency_cycles_(slot.parameter("latency_cycles")) {}

private:
    void write(std::uint32_t offset, std::uint32_t value) override {
        Device::write(offset, value);
        if (offset != REG_DATA_IN) return;
        if (value == END_OF_SIMULATION) return host().end_simulation();
        become(STATUS_BUSY);
        after(latency_cycles_, [this] { complete(); });
    }

    void complete() {
        log("Echo complete, latency=%" PRIu64 " cycles", latency_cycles_);
        at(REG_DATA_OUT) = at(REG_DATA_IN);
        become(STATUS_DATA_READY);
    }

    const Cycle latency_cycles_;
};

const Registered<Echo> registered("echo");

}  // namespace acalsim
