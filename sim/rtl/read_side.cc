// SPDX-License-Identifier: Apache-2.0
#include "rtl/read_side.hh"

#include <algorithm>
#include <set>

namespace acalsim {

ReadSide::ReadSide(const Module& module, Memory& memory, std::uint64_t not_ready_percent)
    : memory_(memory),
      ar_(module, "m_axi_ar", kBurstPayload),
      r_(module, "m_axi_r", {"id", "resp", "last", "data"}),
      chance_(not_ready_percent) {}

bool ReadSide::Read::has_beat(Cycle edge) const {
    const std::uint64_t line = burst.begin_of(sent) / kLineBytes - burst.address / kLineBytes;
    return arrivals[line] < edge;
}

void ReadSide::drive(Cycle edge) {
    ar_.ready.set(reads_.size() < kMostBursts && !chance_.hit());
    if (r_.valid.get()) return;
    if (!current_) current_ = next(edge);
    if (!current_ || !(*current_)->has_beat(edge)) return;
    show(**current_);
}

// The first burst that has a beat, and none of its id before it.
std::optional<ReadSide::Place> ReadSide::next(Cycle edge) {
    std::set<std::uint64_t> before;
    for (Place read = reads_.begin(); read != reads_.end(); ++read)
        if (before.insert(read->burst.id).second && read->has_beat(edge)) return read;
    return {};
}

void ReadSide::show(const Read& read) {
    Wire& data = r_.wire(3);
    const std::uint64_t begin = read.burst.begin_of(read.sent), end = read.burst.end_of(read.sent);
    std::fill_n(data.data(), data.bytes(), 0);
    std::copy_n(&read.data[begin - read.burst.first_line()], end - begin,
                data.data() + begin % data.bytes());
    r_.set(0, read.burst.id);
    r_.set(1, 0);
    r_.set(2, read.sent + 1 == read.burst.beats);
    r_.valid.set(1);
}

bool ReadSide::look() {
    ar_.watch();
    asked_.reset();
    if (ar_.valid.get()) {
        const Burst burst = burst_on(ar_, "m_axi_ar", r_.wire(3).bytes(), memory_.range());
        if (ar_.ready.get()) asked_ = burst;
    }
    r_passes_ = r_.passes();
    return asked_ || r_passes_;
}

void ReadSide::step() {
    if (r_passes_) {
        r_.valid.set(0);
        Read& read = **current_;
        bytes_ += read.burst.end_of(read.sent) - read.burst.begin_of(read.sent);
        if (++read.sent == read.burst.beats) {
            reads_.erase(*current_);
            current_.reset();
        }
    }
    if (asked_) begin(*asked_);
}

void ReadSide::begin(const Burst& burst) {
    Read read;
    read.burst = burst;
    read.data.resize(burst.lines() * kLineBytes);
    read.arrivals.assign(burst.lines(), kNever);
    const Place place = reads_.insert(reads_.end(), std::move(read));
    for (std::uint64_t line = 0; line < burst.lines(); ++line) {
        const std::uint64_t offset = line * kLineBytes;
        const std::uint64_t begin = std::max(burst.address, burst.first_line() + offset);
        const std::uint64_t end = std::min(burst.end(), burst.first_line() + offset + kLineBytes);
        memory_.load({begin, end - begin}, [this, place, line, begin, life = life_](Bytes bytes) {
            if (life != life_) return;
            std::copy(bytes.begin(), bytes.end(), &place->data[begin - place->burst.first_line()]);
            place->arrivals[line] = memory_.cycle();
        });
    }
}

void ReadSide::reset() {
    ++life_;
    ar_.ready.set(0);
    ar_.forget();
    r_.valid.set(0);
    reads_.clear();
    current_.reset();
}

}  // namespace acalsim
