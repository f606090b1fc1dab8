// SPDX-License-Identifier: Apache-2.0
// The vector unit's timeline: one command's elements after the other's, and the special lanes,
// which STOREs share.
#pragma once

#include <algorithm>

#include "model/device.hh"
#include "model/dma.hh"
#include "model/vector_time.hh"

namespace acalsim {

class VectorUnit {
public:
    explicit VectorUnit(const VectorRates& rates) : rates_(rates) {}

    bool exists() const { return rates_.lanes; }
    const VectorRates& rates() const { return rates_; }
    std::size_t lanes() const { return rates_.lanes; }

    // When the next command may issue.
    Cycle free() const { return free_; }

    // Issues a command at `now`, when the unit is free; returns when its last result is there. What
    // needs special lanes that are busy waits for them, with all behind it.
    Cycle issue(const DeviceCommand& command, Cycle now) {
        const VectorWork work = work_of(command, rates_);
        const Cycle start = work.special ? special_.book(now, work.special) - work.special : now;
        free_ = start + work.issue;
        elements_ += work.elements;
        special_elements_ += work.special_elements;
        return free_ + work.latency;
    }

    // Has the special lanes compute a STORE's activation; returns when they have.
    Cycle activate(std::uint64_t elements, Cycle now) {
        special_elements_ += elements;
        const std::uint64_t lanes = rates_.special_lanes;
        return special_.book(now, elements / lanes + (elements % lanes != 0));
    }

    void clear() {
        free_ = 0;
        special_ = DmaChannel(0, 1);
    }

    void count(Statistics& statistics) const {
        if (!exists()) return;
        statistics.emplace_back("vector_elements", elements_);
        statistics.emplace_back("special_elements", special_elements_);
    }

private:
    const VectorRates rates_;
    Cycle free_ = 0;
    DmaChannel special_{0, 1};  // in cycles
    std::uint64_t elements_ = 0, special_elements_ = 0;
};

}  // namespace acalsim
