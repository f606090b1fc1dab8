// SPDX-License-Identifier: Apache-2.0
// Time of DMA transfers to and from RAM: channels that work side by side, each with banks that keep
// one row open. docs/device.md has the rules.
#pragma once

#include <cstdint>
#include <vector>

#include "model/host.hh"
#include "tables.h"

namespace acalsim {

// The machine file's [ram], without its size: one in-order channel, where only its latency and its
// bytes_per_cycle are given.
struct DramTiming {
#define ROW(name, otherwise, text) std::uint64_t name = otherwise;
    ACALSIM_RAM_TIMING(ROW)
#undef ROW
};

class Dram {
public:
    // Throws std::invalid_argument where a size that must not be is 0.
    explicit Dram(const DramTiming& timing);

    // Books a transfer asked for at `now`; returns the cycle at which it is complete.
    Cycle book(Cycle now, const Block& block);

    // Has the CPU's caches move so many bytes from `now` on, over all channels alike.
    void occupy(Cycle now, std::uint64_t bytes);

private:
    static constexpr std::uint64_t kNoRow = UINT64_MAX;

    struct Bank {
        std::uint64_t open_row = kNoRow;
        Cycle free = 0;
    };
    struct Channel {
        Cycle free = 0;
        std::vector<Bank> banks;
    };

    Cycle book_rows(Cycle now, const Block& block);
    Cycle book_run(Cycle now, std::uint64_t address, std::uint64_t bytes);
    Cycle book_piece(Cycle now, Channel& channel, std::uint64_t address, std::uint64_t bytes);
    Cycle book_in_row(Cycle now, Channel& channel, std::uint64_t row, std::uint64_t bytes);
    Cycle beats(std::uint64_t bytes) const;

    const DramTiming timing_;
    std::vector<Channel> channels_;
};

}  // namespace acalsim
