// SPDX-License-Identifier: Apache-2.0
// One of an AXI bus's channels: what is on it passes at a clock edge that finds valid and ready.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "rtl/module.hh"

namespace acalsim {

class Channel {
public:
    // The wires PREFIXvalid, PREFIXready and the payload's, each PREFIXNAME.
    Channel(const Module& module, const std::string& prefix,
            const std::vector<std::string>& payload);

    // What a clock edge would find now. `watch` is for a channel that the device is the source of:
    // it throws Broken where valid falls or the payload changes before ready came.
    bool passes() const { return valid.get() && ready.get(); }
    void watch();
    void forget() { waits_ = false; }

    std::uint64_t get(std::size_t index) const { return payload_[index].wire.get(); }
    void set(std::size_t index, std::uint64_t value) { payload_[index].wire.set(value); }
    Wire& wire(std::size_t index) { return payload_[index].wire; }
    const Wire& wire(std::size_t index) const { return payload_[index].wire; }

    // "ar 1/0": valid and ready.
    std::string text() const;

    Wire valid, ready;

private:
    struct Part {
        std::string name;
        Wire wire;
        std::vector<std::uint8_t> held;
    };

    const std::string prefix_;
    std::vector<Part> payload_;
    bool waits_ = false;
};

}  // namespace acalsim
