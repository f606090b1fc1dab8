// SPDX-License-Identifier: Apache-2.0
// The compute unit's timeline: the tiles of one MATMUL after the other's.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "model/array.hh"
#include "model/device.hh"
#include "model/product_rates.hh"
#include "registers.h"

namespace acalsim {

class ArrayUnit {
public:
    // Throws std::invalid_argument for a dataflow or an overlap that is none.
    explicit ArrayUnit(const Slot& slot)
        : array_{slot.parameter("rows"), slot.parameter("columns"),
                 static_cast<Dataflow>(choice(slot, "dataflow", 2)),
                 static_cast<Overlap>(choice(slot, "overlap", 3))},
          rates_(slot) {
        clear();
    }

    const Array& array() const { return array_; }
    const ProductRates& rates() const { return rates_; }
    std::uint32_t types() const { return rates_.types(); }
    bool weights_stay() const { return array_.dataflow == Dataflow::weight_stationary; }

    // Columns are outermost, then rows of C (where outputs stay), then K (where weights do): a
    // ragged tile takes the time of a full one, so all of them are alike. Returns the last one's.
    TileTimes issue(const DeviceCommand& command, Cycle now) {
        hold_until(now);
        const std::uint64_t steps = rates_.steps(command);
        const std::uint64_t high = weights_stay() ? steps : command.m;
        const std::uint64_t tiles = (command.n + array_.columns - 1) / array_.columns *
                                    ((high + array_.rows - 1) / array_.rows);
        const Cycle slots = weights_stay() ? command.m : steps;
        TileTimes last{};
        for (std::uint64_t tile = 0; tile < tiles; ++tile) last = timeline_->issue(slots, now, now);
        macs_ += std::uint64_t(command.m) * command.n * command.k;
        array_cycles_ += tiles * slots;
        rate_ = std::max(rate_, rates_.of(command.type));
        return last;
    }

    // Another unit has had a memory for so many cycles, in `percent` of which the array would have
    // needed it. That holds up what is issued in a later cycle, so that the order of what happens
    // in one cycle does not matter.
    void share(Cycle now, Cycle cycles, std::uint64_t percent) {
        if (percent) shared_.push_back({now, cycles * percent});
    }

    void clear() {
        timeline_.emplace(array_);
        shared_.clear();
        lost_hundredths_ = 0;
    }

    void count(Statistics& statistics) const {
        statistics.emplace_back("macs", macs_);
        statistics.emplace_back("array_cycles", array_cycles_);
        statistics.emplace_back("peak_macs_per_cycle", array_.rows * array_.columns * rate_);
    }

private:
    struct Shared {
        Cycle at, hundredths;
    };

    void hold_until(Cycle now) {
        auto each = shared_.begin();
        for (; each != shared_.end() && each->at < now; ++each) {
            if (timeline_->streamed() <= each->at) continue;
            lost_hundredths_ += each->hundredths;
            timeline_->hold(each->at, lost_hundredths_ / 100);
            lost_hundredths_ %= 100;
        }
        shared_.erase(shared_.begin(), each);
    }

    // A parameter that is one of so many.
    static std::uint64_t choice(const Slot& slot, const char* key, std::uint64_t count) {
        const std::uint64_t value = slot.parameter(key);
        if (value < count) return value;
        throw std::invalid_argument("device '" + slot.name + "': its parameter '" + key + "' is " +
                                    std::to_string(value) + " of " + std::to_string(count));
    }

    const Array array_;
    const ProductRates rates_;
    std::optional<ArrayTimeline> timeline_;
    std::uint64_t macs_ = 0;
    Cycle array_cycles_ = 0;
    std::uint64_t rate_ = 1;      // the highest of the types multiplied
    std::vector<Shared> shared_;  // and what it cost has not been seen to yet
    Cycle lost_hundredths_ = 0;   // less than a cycle
};

}  // namespace acalsim
