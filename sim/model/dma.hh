// SPDX-License-Identifier: Apache-2.0
// Time of DMA transfers over one in-order channel to RAM.
#pragma once

#include <algorithm>
#include <cstdint>

#include "model/host.hh"

namespace acalsim {

// A transfer of n bytes occupies the channel for ceil(n / bytes_per_cycle) cycles from the moment
// it is free, and is complete latency_cycles after that: latencies overlap, data does not.
class DmaChannel {
public:
    DmaChannel(Cycle latency_cycles, std::uint64_t bytes_per_cycle)
        : latency_cycles_(latency_cycles), bytes_per_cycle_(bytes_per_cycle) {}

    // Books a transfer asked for at `now`; returns the cycle at which it is complete.
    Cycle book(Cycle now, std::uint64_t bytes) {
        const Cycle start = std::max(now, free_);
        free_ = start + bytes / bytes_per_cycle_ + (bytes % bytes_per_cycle_ != 0);
        return free_ + latency_cycles_;
    }

private:
    Cycle latency_cycles_;
    std::uint64_t bytes_per_cycle_;
    Cycle free_ = 0;
};

}  // namespace acalsim
