// SPDX-License-Identifier: Apache-2.0
// RAM's side of m_axi_aw, m_axi_w and m_axi_b. Data comes in the order of the bursts, from the
// cycle after a burst was taken on; a burst is answered when all of it is in RAM.
#pragma once

#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "rtl/memory.hh"

namespace acalsim {

class WriteSide {
public:
    WriteSide(const Module& module, Memory& memory, std::uint64_t not_ready_percent);

    // As those of RegisterBus.
    void drive(Cycle edge);
    bool look();
    void step();

    bool idle() const { return writes_.empty() && !aw_.valid.get() && !w_.valid.get(); }
    void reset();
    std::string text() const { return aw_.text() + ' ' + w_.text() + ' ' + b_.text(); }
    std::uint64_t bytes() const { return bytes_; }

private:
    struct Write {
        Burst burst;
        std::uint64_t taken = 0;    // beats
        std::uint64_t on_way = 0;   // pieces that are not in RAM yet
        Cycle done = kNever;        // all are
        Bytes line;                 // the present one's bytes
        std::uint64_t strobes = 0;  // which of them are to be written
    };
    using Place = std::list<Write>::iterator;

    Place open();
    void look_at_beat(const Write& write) const;
    void take_beat(Write& write);
    void send_line(Place write);
    void complete(Write& write) const;
    std::optional<Place> next(Cycle edge);

    Memory& memory_;
    Channel aw_, w_, b_;
    Chance chance_;
    std::list<Write> writes_;        // in their order; places stay while RAM is at work
    std::optional<Place> answered_;  // is on m_axi_b
    std::optional<Burst> asked_;     // by the present edge
    bool w_passes_ = false, b_passes_ = false;
    std::uint64_t bytes_ = 0, life_ = 0;
    Bytes beat_;
    std::uint64_t beat_strobes_ = 0;
};

}  // namespace acalsim
