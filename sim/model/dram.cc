// SPDX-License-Identifier: Apache-2.0
#include "model/dram.hh"

#include <algorithm>
#include <stdexcept>

namespace acalsim {

Dram::Dram(const DramTiming& timing) : timing_(timing) {
    if (timing.bytes_per_cycle == 0) throw std::invalid_argument("RAM moves 0 bytes a cycle");
    if (timing.channels == 0 || timing.interleave_bytes == 0 || timing.banks == 0)
        throw std::invalid_argument("RAM has no channels, no interleaving or no banks");
    channels_.assign(timing.channels, Channel{0, std::vector<Bank>(timing.banks)});
}

Cycle Dram::beats(std::uint64_t bytes) const {
    return bytes / timing_.bytes_per_cycle + (bytes % timing_.bytes_per_cycle != 0);
}

Cycle Dram::book(Cycle now, const Block& block) {
    const Block runs = block.merged();
    if (channels_.size() > 1 || timing_.row_bytes) {
        return book_rows(now, runs) + timing_.latency_cycles;
    }
    // One channel where all rows are alike: no need to walk them.
    Cycle& free = channels_.front().free;
    free = std::max(now, free) + runs.planes * runs.rows * beats(runs.row_bytes);
    return free + timing_.latency_cycles;
}

void Dram::occupy(Cycle now, std::uint64_t bytes) {
    if (bytes == 0) return;
    const std::uint64_t share = (bytes + channels_.size() - 1) / channels_.size();
    for (Channel& channel : channels_) channel.free = std::max(now, channel.free) + beats(share);
}

Cycle Dram::book_rows(Cycle now, const Block& block) {
    Cycle end = now;
    block.for_each_row([&](std::uint64_t offset) {
        end = std::max(end, book_run(now, block.address + offset, block.row_bytes));
    });
    return end;
}

// Adjacent bytes, in pieces that lie in one channel each.
Cycle Dram::book_run(Cycle now, std::uint64_t address, std::uint64_t bytes) {
    const std::uint64_t unit = timing_.interleave_bytes, channels = channels_.size();
    if (channels == 1) return book_piece(now, channels_.front(), address, bytes);
    Cycle end = now;
    while (bytes > 0) {
        const std::uint64_t piece = std::min(bytes, unit - address % unit);
        const std::uint64_t inside = address / unit / channels * unit + address % unit;
        Channel& channel = channels_[address / unit % channels];
        end = std::max(end, book_piece(now, channel, inside, piece));
        address += piece;
        bytes -= piece;
    }
    return end;
}

// Adjacent bytes of one channel, in pieces that lie in one of its banks' rows each.
Cycle Dram::book_piece(Cycle now, Channel& channel, std::uint64_t address, std::uint64_t bytes) {
    const std::uint64_t unit = timing_.row_bytes;
    if (!unit) return channel.free = std::max(now, channel.free) + beats(bytes);
    while (bytes > 0) {
        const std::uint64_t piece = std::min(bytes, unit - address % unit);
        book_in_row(now, channel, address / unit, piece);
        address += piece;
        bytes -= piece;
    }
    return channel.free;
}

// A bank opens a row as soon as it is asked and done with the row before: other banks' data may
// move meanwhile, so that only misses that follow each other closely in one bank are felt.
Cycle Dram::book_in_row(Cycle now, Channel& channel, std::uint64_t row, std::uint64_t bytes) {
    Bank& bank = channel.banks[row % channel.banks.size()];
    Cycle ready = now;
    if (bank.open_row != row) {
        ready = std::max(now, bank.free) + timing_.row_miss_cycles;
        bank.open_row = row;
    }
    bank.free = channel.free = std::max(ready, channel.free) + beats(bytes);
    return channel.free;
}

}  // namespace acalsim
