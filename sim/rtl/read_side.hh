// SPDX-License-Identifier: Apache-2.0
// RAM's side of m_axi_ar and m_axi_r. Bursts of one id are answered in their order, those of
// different ids as RAM has them, never beat by beat in turns.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>
#include <vector>

#include "rtl/memory.hh"

namespace acalsim {

class ReadSide {
public:
    ReadSide(const Module& module, Memory& memory, std::uint64_t not_ready_percent);

    // As those of RegisterBus.
    void drive(Cycle edge);
    bool look();
    void step();

    bool idle() const { return reads_.empty() && !ar_.valid.get(); }
    void reset();
    std::string text() const { return ar_.text() + ' ' + r_.text(); }
    std::uint64_t bytes() const { return bytes_; }

private:
    struct Read {
        Burst burst;
        std::uint64_t sent = 0;       // beats
        Bytes data;                   // of all its lines
        std::vector<Cycle> arrivals;  // of each line
        bool has_beat(Cycle edge) const;
    };
    using Place = std::list<Read>::iterator;

    void begin(const Burst& burst);
    std::optional<Place> next(Cycle edge);
    void show(const Read& read);

    Memory& memory_;
    Channel ar_, r_;
    Chance chance_;
    std::list<Read> reads_;         // in their order; places stay while RAM is at work
    std::optional<Place> current_;  // a burst that has begun goes on to its end
    std::optional<Burst> asked_;    // by the present edge
    bool r_passes_ = false;
    std::uint64_t bytes_ = 0, life_ = 0;
};

}  // namespace acalsim
