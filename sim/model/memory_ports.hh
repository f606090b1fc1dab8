// SPDX-License-Identifier: Apache-2.0
// The ports by which the load and the store unit reach the scratchpad and the accumulator memory,
// and how much of the array's time at these memories their transfers take.
#pragma once

#include <algorithm>
#include <cstdint>

#include "model/array_unit.hh"
#include "model/command.hh"
#include "model/device.hh"
#include "model/dma.hh"
#include "model/vector_unit.hh"

namespace acalsim {

class MemoryPorts {
public:
    explicit MemoryPorts(const Slot& slot)
        : bytes_per_cycle_(slot.parameter("scratchpad_bytes_per_cycle")),
          load_conflict_percent_(slot.parameter("load_conflict_percent")),
          store_conflict_percent_(slot.parameter("store_conflict_percent")) {
        clear();
    }

    std::uint64_t bytes_per_cycle() const { return bytes_per_cycle_; }

    void clear() { load_ = store_ = DmaChannel(0, bytes_per_cycle_); }

    // Returns when the load unit has written so many bytes.
    Cycle write(std::uint64_t bytes, Cycle now) { return load_.book(now, bytes); }

    // Returns when the store unit has all that a STORE or SAVE takes from the memories, activated.
    Cycle read(const DeviceCommand& command, Cycle now, VectorUnit& vector) {
        if (command.code == COMMAND_SAVE) return store_.book(now, dram_bytes(command));
        const std::uint64_t sums = std::uint64_t(command.m) * command.n;
        const Cycle read = store_.book(now, kSumBytes * sums);
        return command.flags & FLAG_ACTIVATION ? std::max(read, vector.activate(sums, now)) : read;
    }

    // Takes the array's turns that a LOAD's writing, or a STORE's reading, costs it.
    void share_written(ArrayUnit& array, std::uint64_t bytes, Cycle now) const {
        array.share(now, cycles(bytes), load_conflict_percent_);
    }
    void share_read(ArrayUnit& array, const DeviceCommand& command, Cycle now) const {
        const std::uint64_t sums = kSumBytes * command.m * std::uint64_t(command.n);
        array.share(now, cycles(command.code == COMMAND_SAVE ? dram_bytes(command) : sums),
                    store_conflict_percent_);
    }

private:
    Cycle cycles(std::uint64_t bytes) const {
        return (bytes + bytes_per_cycle_ - 1) / bytes_per_cycle_;
    }

    const std::uint64_t bytes_per_cycle_, load_conflict_percent_, store_conflict_percent_;
    DmaChannel load_{0, 1}, store_{0, 1};
};

}  // namespace acalsim
