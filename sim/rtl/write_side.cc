// SPDX-License-Identifier: Apache-2.0
#include "rtl/write_side.hh"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <set>

namespace acalsim {

namespace {

std::string hex(std::uint64_t value) {
    char text[32];
    std::snprintf(text, sizeof text, "0x%" PRIx64, value);
    return text;
}

}  // namespace

WriteSide::WriteSide(const Module& module, Memory& memory, std::uint64_t not_ready_percent)
    : memory_(memory),
      aw_(module, "m_axi_aw", kBurstPayload),
      w_(module, "m_axi_w", {"strb", "last", "data"}),
      b_(module, "m_axi_b", {"id", "resp"}),
      chance_(not_ready_percent) {}

// The burst whose data comes next.
WriteSide::Place WriteSide::open() {
    return std::find_if(writes_.begin(), writes_.end(),
                        [](const Write& write) { return write.taken < write.burst.beats; });
}

void WriteSide::drive(Cycle edge) {
    aw_.ready.set(writes_.size() < kMostBursts && !chance_.hit());
    w_.ready.set(open() != writes_.end() && !chance_.hit());
    if (b_.valid.get()) return;
    answered_ = next(edge);
    if (!answered_) return;
    b_.set(0, (*answered_)->burst.id);
    b_.set(1, 0);
    b_.valid.set(1);
}

// The first burst that is done, and none of its id before it.
std::optional<WriteSide::Place> WriteSide::next(Cycle edge) {
    std::set<std::uint64_t> before;
    for (Place write = writes_.begin(); write != writes_.end(); ++write)
        if (before.insert(write->burst.id).second && write->done < edge) return write;
    return {};
}

bool WriteSide::look() {
    aw_.watch();
    w_.watch();
    asked_.reset();
    if (aw_.valid.get()) {
        const Burst burst = burst_on(aw_, "m_axi_aw", w_.wire(2).bytes(), memory_.range());
        if (aw_.ready.get()) asked_ = burst;
    }
    w_passes_ = w_.passes();
    if (w_passes_) {
        look_at_beat(*open());
        beat_strobes_ = w_.get(0);
        beat_.assign(w_.wire(2).data(), w_.wire(2).data() + w_.wire(2).bytes());
    }
    b_passes_ = b_.passes();
    return asked_ || w_passes_ || b_passes_;
}

void WriteSide::look_at_beat(const Write& write) const {
    const Burst& burst = write.burst;
    const bool is_last = write.taken + 1 == burst.beats;
    const std::string which = "beat " + std::to_string(write.taken + 1) + " of the " +
                              std::to_string(burst.beats) + " at " + hex(burst.address);
    if (bool(w_.get(1)) != is_last)
        throw Broken(std::string("m_axi_wlast is ") + (is_last ? "0" : "1") + " in " + which);
    const std::uint64_t begin = burst.begin_of(write.taken), end = burst.end_of(write.taken);
    const std::uint64_t count = end - begin;
    const std::uint64_t ones = count == 64 ? ~std::uint64_t(0) : (std::uint64_t(1) << count) - 1;
    const std::uint64_t lanes = ones << begin % w_.wire(2).bytes();
    if (w_.get(0) & ~lanes)
        throw Broken("m_axi_wstrb " + hex(w_.get(0)) + " has bytes outside of " + which +
                     ", which has " + hex(lanes));
}

void WriteSide::step() {
    if (b_passes_) {
        b_.valid.set(0);
        writes_.erase(*answered_);
    }
    if (w_passes_) take_beat(*open());
    if (asked_) writes_.push_back({*asked_, 0, 0, kNever, Bytes(kLineBytes), 0});
}

void WriteSide::take_beat(Write& write) {
    const std::uint64_t begin = write.burst.begin_of(write.taken);
    const std::uint64_t end = write.burst.end_of(write.taken);
    for (std::uint64_t address = begin; address < end; ++address) {
        const std::uint64_t lane = address % beat_.size();
        if (!(beat_strobes_ >> lane & 1)) continue;
        write.line[address % kLineBytes] = beat_[lane];
        write.strobes |= std::uint64_t(1) << address % kLineBytes;
        ++bytes_;
    }
    const Place place = open();
    ++write.taken;
    const bool is_last = write.taken == write.burst.beats;
    if (is_last || end % kLineBytes == 0) send_line(place);
    if (is_last) complete(write);
}

// Each run of bytes that are to be written is a transfer of its own.
void WriteSide::send_line(Place write) {
    const std::uint64_t line = align_down(write->burst.end_of(write->taken - 1) - 1, kLineBytes);
    const auto strobed = [&](std::uint64_t i) {
        return i < kLineBytes && (write->strobes >> i & 1) != 0;
    };
    for (std::uint64_t begin = 0; begin < kLineBytes; ++begin) {
        if (!strobed(begin)) continue;
        std::uint64_t end = begin;
        while (strobed(end)) ++end;
        ++write->on_way;
        const auto first = write->line.begin();
        memory_.store({line + begin, end - begin}, Bytes(first + begin, first + end),
                      [this, write, life = life_] {
                          if (life != life_) return;
                          --write->on_way;
                          complete(*write);
                      });
        begin = end;
    }
    write->strobes = 0;
}

void WriteSide::complete(Write& write) const {
    if (write.taken == write.burst.beats && write.on_way == 0) write.done = memory_.cycle();
}

void WriteSide::reset() {
    ++life_;
    for (Channel* channel : {&aw_, &w_}) {
        channel->ready.set(0);
        channel->forget();
    }
    b_.valid.set(0);
    writes_.clear();
    answered_.reset();
}

}  // namespace acalsim
