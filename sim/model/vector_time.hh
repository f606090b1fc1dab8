// SPDX-License-Identifier: Apache-2.0
// How long the vector unit works on a command. docs/timing.md has the formulas.
#pragma once

#include <cstdint>

#include "model/device.hh"
#include "model/dma.hh"
#include "registers.h"

namespace acalsim {

// The machine file's parameters of the unit, checked. Without lanes there is no unit.
struct VectorRates {
    // Throws std::invalid_argument for lanes that are no multiple of special_lanes.
    explicit VectorRates(const Slot& slot);

    std::uint64_t lanes, special_lanes;
    Cycle latency, special_latency;
    std::uint64_t bytes_per_cycle;
    Cycle reduce;  // that a reduction has the lanes to itself; 0: it is pipelined
};

// Of one command: cycles until all its elements are on their way, how many of them the special
// lanes are its own from the first on, and cycles from then to its last result.
struct VectorWork {
    Cycle issue, special, latency;
    std::uint64_t elements, special_elements;
};

VectorWork work_of(const DeviceCommand& command, const VectorRates& rates);

}  // namespace acalsim
