// SPDX-License-Identifier: Apache-2.0
#include "model/array.hh"

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <utility>

#include "model/dma.hh"

namespace acalsim {

namespace {

std::uint64_t ceil_divide(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0); }

bool weights_stay(const Array& array) { return array.dataflow == Dataflow::weight_stationary; }

}  // namespace

// Operands enter skewed, row r in cycle r, and results need as long to reach the last column:
// rows + columns - 1 cycles from a slot's way in to its last result's way out.
ArrayTimeline::ArrayTimeline(const Array& array)
    : array_(array),
      load_cycles_(weights_stay(array) ? array.rows : 0),
      unload_cycles_(weights_stay(array) ? 0 : array.rows),
      skew_cycles_(array.rows + array.columns - 1) {}

TileTimes ArrayTimeline::issue(Cycle slots, Cycle load_ready, Cycle stream_ready) {
    TileTimes tile;
    tile.load = std::max(registers_free_, load_ready);
    tile.loaded = tile.load + load_cycles_;
    tile.stream = std::max({tile.loaded, streamed_, stream_ready});
    tile.streamed = tile.stream + slots;
    tile.unload = std::max(tile.streamed, unloaded_);
    streamed_ = tile.streamed;
    unloaded_ = tile.unload + unload_cycles_;
    tile.result = unloaded_ + skew_cycles_;
    registers_free_ = free_after(tile);
    return tile;
}

void ArrayTimeline::hold(Cycle now, Cycle cycles) {
    for (Cycle* free : {&registers_free_, &streamed_, &unloaded_})
        if (*free > now) *free += cycles;
}

// With a second set of registers, weights move from it into place when their stream begins, and
// sums move into it when their unload does. With one, it is free when the tile's last slot is in,
// or its last row out: what is still on its way there does not meet what follows.
Cycle ArrayTimeline::free_after(const TileTimes& tile) const {
    switch (array_.overlap) {
        case Overlap::serial:
            return tile.result;
        case Overlap::single_buffered:
            return unloaded_;
        case Overlap::double_buffered:
            return weights_stay(array_) ? tile.stream : tile.unload;
    }
    throw std::logic_error("no such overlap");
}

namespace {

// The tiles of one product through one array, each behind the fetch of its operands.
class GemmTimeline {
public:
    GemmTimeline(const Array& array, const OperandFetch& fetch, std::uint64_t bytes_per_tile)
        : weights_stay_(weights_stay(array)),
          fetch_(fetch),
          bytes_per_tile_(bytes_per_tile),
          array_(array),
          channel_(fetch.latency_cycles, std::max<std::uint64_t>(fetch.bytes_per_cycle, 1)) {}

    void issue(Cycle slots) {
        const Cycle ready = fetch_.bytes_per_cycle ? fetched() : 0;
        const TileTimes tile = array_.issue(slots, ready, ready);
        if (fetch_.bytes_per_cycle) in_use_until(weights_stay_ ? tile.loaded : tile.streamed);
        result_ = tile.result;
    }

    // Does `step` so many times. Once it leaves everything as it was left some steps ago, only
    // later, all further rounds of those steps take the same time, and are counted, not walked.
    // The state to compare with is taken anew at every power of two, so that a way in is forgotten.
    template <class Step>
    void repeat(std::uint64_t times, Step step) {
        State mark = state();
        Cycle mark_cycles = cycles();
        for (std::uint64_t since = 0, renewal = 1; times > 0;) {
            step();
            --times;
            ++since;
            if (repeats(mark)) {
                skipped_ += times / since * (cycles() - mark_cycles);
                for (times %= since; times > 0; --times) step();
            } else if (since == renewal) {
                mark = state();
                mark_cycles = cycles();
                renewal *= 2;
                since = 0;
            }
        }
    }

    Cycle cycles() const { return skipped_ + result_; }

private:
    // Cycles counted back from the last result: equal states have equal futures.
    struct State {
        Cycle registers_free, streamed, unloaded, channel_free, result;
        std::deque<Cycle> buffers_free;
    };

    // The cycle at which the next tile's operands are there. They wait for the channel, and for a
    // buffer where all are in use.
    Cycle fetched() {
        Cycle start = channel_free_;
        if (buffers_free_.size() == fetch_.depth) {
            start = buffers_free_.front();
            buffers_free_.pop_front();
        }
        const Cycle arrival = channel_.book(start, bytes_per_tile_);
        channel_free_ = arrival - fetch_.latency_cycles;
        return arrival;
    }

    // Buffers become free in the order of their use; those that are so before the channel is have
    // no say in what follows.
    void in_use_until(Cycle cycle) {
        buffers_free_.push_back(cycle);
        while (!buffers_free_.empty() && buffers_free_.front() <= channel_free_) {
            buffers_free_.pop_front();
        }
    }

    State state() const {
        return {array_.registers_free(), array_.streamed(), array_.unloaded(),
                channel_free_,           result_,           buffers_free_};
    }

    bool repeats(const State& mark) const {
        const Cycle shift = result_ - mark.result;
        const auto shifted = [&](Cycle now, Cycle then) { return now == then + shift; };
        return shifted(array_.registers_free(), mark.registers_free) &&
               shifted(array_.streamed(), mark.streamed) &&
               shifted(array_.unloaded(), mark.unloaded) &&
               (!fetch_.bytes_per_cycle || shifted(channel_free_, mark.channel_free)) &&
               std::equal(buffers_free_.begin(), buffers_free_.end(), mark.buffers_free.begin(),
                          mark.buffers_free.end(), shifted);
    }

    const bool weights_stay_;
    const OperandFetch fetch_;
    const std::uint64_t bytes_per_tile_;
    ArrayTimeline array_;
    DmaChannel channel_;
    Cycle channel_free_ = 0;
    std::deque<Cycle> buffers_free_;  // of the buffers in use when the channel is free, ascending
    Cycle result_ = 0;
    Cycle skipped_ = 0;  // time of rounds that were counted only
};

// `count` tiles with `slots` slots each.
struct Run {
    std::uint64_t count;
    Cycle slots;
};

// The tiles of one strip of columns, in their order: those of full chunks, then of the rest.
std::pair<Run, Run> strip_of(const Array& array, const Gemm& gemm) {
    const bool weights = weights_stay(array);
    const std::uint64_t default_tile_m = weights ? gemm.m : array.rows;
    const std::uint64_t tile_m = std::min(gemm.tile_m ? gemm.tile_m : default_tile_m, gemm.m);
    const std::uint64_t chunks = gemm.m / tile_m, rest = gemm.m % tile_m;
    if (weights) {
        const std::uint64_t tiles = ceil_divide(gemm.k, array.rows);
        return {{chunks * tiles, tile_m}, {rest ? tiles : 0, rest}};
    }
    return {{chunks * ceil_divide(tile_m, array.rows), gemm.k},
            {ceil_divide(rest, array.rows), gemm.k}};
}

std::uint64_t tile_bytes(const Array& array, const Gemm& gemm) {
    return weights_stay(array) ? array.rows * array.columns : (array.rows + array.columns) * gemm.k;
}

// Each tile all on its own, one after the other, is the longest that it can take.
void refuse_what_overflows(const Array& array, const Gemm& gemm, const OperandFetch& fetch) {
    const std::uint64_t sizes = array.rows | array.columns | gemm.m | gemm.n | gemm.k;
    const auto [full, rest] = strip_of(array, gemm);
    const double tiles = (double(full.count) + rest.count) * ceil_divide(gemm.n, array.columns);
    const double bytes = double(tile_bytes(array, gemm));
    const double fetching =
        fetch.bytes_per_cycle ? bytes / fetch.bytes_per_cycle + 1.0 + fetch.latency_cycles : 0.0;
    const double alone = 2.0 * array.rows + array.columns + std::max(full.slots, rest.slots);
    if (sizes > UINT32_MAX || tiles * (alone + fetching) >= 0x1p63) {
        throw std::overflow_error("cycles that 63 bits cannot hold");
    }
}

}  // namespace

Cycle gemm_cycles(const Array& array, const Gemm& gemm, const OperandFetch& fetch) {
    refuse_what_overflows(array, gemm, fetch);
    const auto [full, rest] = strip_of(array, gemm);
    GemmTimeline timeline(array, fetch, tile_bytes(array, gemm));
    timeline.repeat(ceil_divide(gemm.n, array.columns), [&, full = full, rest = rest] {
        timeline.repeat(full.count, [&] { timeline.issue(full.slots); });
        timeline.repeat(rest.count, [&] { timeline.issue(rest.slots); });
    });
    return timeline.cycles();
}

}  // namespace acalsim
