// SPDX-License-Identifier: Apache-2.0
// A clock of `numerator` cycles in `denominator` of the system's. Edge n ends its cycle n.
#pragma once

#include <cstdint>

#include "model/host.hh"

namespace acalsim {

class Clock {
public:
    Clock(std::uint64_t numerator, std::uint64_t denominator)
        : numerator_(numerator), denominator_(denominator) {}

    // The system's cycle in which the edge's effects are seen: the first that is not before it.
    Cycle cycle(std::uint64_t edge) const {
        return Cycle((Wide(edge) * denominator_ + numerator_ - 1) / numerator_);
    }

    // The first edge after the beginning of that cycle.
    std::uint64_t edge_after(Cycle cycle) const {
        return std::uint64_t(Wide(cycle) * numerator_ / denominator_) + 1;
    }

    // In thousandths of the system's cycles; `half` is half a cycle of this clock earlier.
    std::uint64_t time(std::uint64_t edge, bool half = false) const {
        return std::uint64_t((Wide(edge) * 2 - half) * denominator_ * 500 / numerator_);
    }

private:
    using Wide = unsigned __int128;

    std::uint64_t numerator_, denominator_;
};

}  // namespace acalsim
