// SPDX-License-Identifier: Apache-2.0
#include "model/command_order.hh"

#include <algorithm>
#include <array>
#include <optional>

#include "model/dma.hh"
#include "model/operand.hh"
#include "model/pipeline.hh"
#include "model/uses.hh"

namespace acalsim {

namespace {

bool overlap(const Use& a, const Use& b) {
    return a.memory == b.memory && (a.writes || b.writes) && a.begin < b.end && b.begin < a.end;
}

// A command that waits to be placed. `waits` counts the earlier ones, not placed yet, that it may
// not pass; `behind` are those that may not pass it, and the use of its own that holds each up.
struct Waiting {
    static constexpr std::size_t kNoUse = SIZE_MAX;  // it need not have given anything back

    std::optional<Unit> unit;
    std::vector<Use> uses;
    std::vector<std::pair<std::size_t, std::size_t>> behind;
    std::size_t waits = 0;
    Cycle ready = 0;
    bool placed = false;
};

class Order {
public:
    Order(const std::vector<DeviceCommand>& commands, const OrderedFor& device, std::size_t window)
        : commands_(commands),
          window_(window),
          array_(device.array),
          vector_(device.vector),
          ram_(device.ram.latency_cycles, device.ram.bytes_per_cycle * device.ram.channels),
          load_port_(0, device.port_bytes_per_cycle),
          store_port_(0, device.port_bytes_per_cycle),
          base_(device.base),
          ram_latency_(device.ram.latency_cycles),
          all_(commands.size()) {
        array_.clear();
        vector_.clear();
    }

    std::vector<std::size_t> run() {
        std::vector<std::size_t> order;
        for (std::size_t first = 0; first < all_.size(); order.push_back(best_)) {
            look_ahead(first);
            choose(first);
            place(best_);
            while (first < all_.size() && all_[first].placed) ++first;
        }
        return order;
    }

private:
    // Takes in the commands that are within the window by now.
    void look_ahead(std::size_t first) {
        for (; seen_ < all_.size() && seen_ < first + window_; ++seen_) {
            if (barrier_ && !all_[*barrier_].placed) return;
            const DeviceCommand& x = commands_[seen_];
            Waiting& next = all_[seen_];
            next.unit = unit_of(x);
            if (!next.unit || x.code == COMMAND_SIGNAL) barrier_ = seen_;
            if (next.unit) next.uses = uses_of(x, base_);
            if (const std::optional<Use> use = ram_use_of(x)) next.uses.push_back(*use);
            for (std::size_t i = first; i < seen_; ++i) {
                if (all_[i].placed) continue;
                if (const auto use = held_by(all_[i], next)) {
                    all_[i].behind.push_back({seen_, *use});
                    ++next.waits;
                }
            }
        }
    }

    // The use of `before` that `next` may not pass, if any.
    std::optional<std::size_t> held_by(const Waiting& before, const Waiting& next) const {
        if (barrier_ == seen_) return Waiting::kNoUse;
        for (std::size_t i = 0; i < before.uses.size(); ++i) {
            for (const Use& use : next.uses) {
                if (!overlap(before.uses[i], use)) continue;
                const bool both = before.unit == Unit::compute && next.unit == Unit::compute;
                return both ? Waiting::kNoUse : i;
            }
        }
        return {};
    }

    Cycle start_of(const Waiting& one) const {
        return one.unit ? std::max(one.ready, free_[std::size_t(*one.unit)]) : one.ready;
    }

    // The one that can start first; of several the one that comes first in the list.
    void choose(std::size_t first) {
        Cycle soonest = UINT64_MAX;
        for (std::size_t i = first; i < seen_; ++i) {
            const Waiting& one = all_[i];
            if (one.placed || one.waits) continue;
            const Cycle start = start_of(one);
            if (start < soonest) {
                soonest = start;
                best_ = i;
            }
        }
    }

    void place(std::size_t index) {
        Waiting& one = all_[index];
        const Cycle start = start_of(one);
        one.placed = true;
        const std::vector<Cycle> released = start_at(index, start);
        for (const auto& [other, use] : one.behind) {
            Waiting& next = all_[other];
            --next.waits;
            next.ready = std::max(next.ready, use == Waiting::kNoUse ? start : released[use]);
        }
        one.uses.clear();
    }

    // Has the command start; returns when it gives back each of its uses.
    std::vector<Cycle> start_at(std::size_t index, Cycle start) {
        const DeviceCommand& x = commands_[index];
        const Waiting& one = all_[index];
        std::vector<Cycle> released(one.uses.size(), start);
        if (!one.unit) return released;
        Cycle& free = free_[std::size_t(*one.unit)];
        Cycle done = start, sources = start;
        switch (*one.unit) {
            case Unit::compute: {
                const TileTimes last = array_.issue(x, start);
                free = array_.weights_stay() ? last.loaded : last.streamed;
                return {last.streamed, array_.weights_stay() ? last.loaded : last.streamed,
                        last.result};
            }
            case Unit::vector:
                done = sources = vector_.issue(x, start);
                free = vector_.free();
                break;
            case Unit::load: {
                const Cycle there = is_peer(x.dram) ? start : ram_.book(start, dram_bytes(x));
                done = std::max(there, load_port_.book(start, scratchpad_tile(x).bytes()));
                sources = there;
                free = std::max(start, there - std::min(there, 2 * ram_latency_));
                break;
            }
            case Unit::store: {
                const std::uint64_t bytes =
                    x.code == COMMAND_SAVE ? dram_bytes(x) : kSumBytes * x.m * x.n;
                sources = free = store_port_.book(start, bytes);
                if (x.flags & FLAG_ACTIVATION)
                    sources = free =
                        std::max(sources, vector_.activate(std::uint64_t(x.m) * x.n, start));
                done =
                    is_peer(x.dram) ? sources : std::max(sources, ram_.book(start, dram_bytes(x)));
                break;
            }
        }
        for (std::size_t i = 0; i < released.size(); ++i)
            released[i] = one.uses[i].writes ? done : sources;
        return released;
    }

    const std::vector<DeviceCommand>& commands_;
    const std::size_t window_;
    ArrayUnit array_;
    VectorUnit vector_;
    DmaChannel ram_, load_port_, store_port_;
    const std::uint64_t base_;
    const Cycle ram_latency_;
    std::vector<Waiting> all_;
    std::array<Cycle, kUnitCount> free_{};
    std::optional<std::size_t> barrier_;  // the last one that nothing passes
    std::size_t seen_ = 0, best_ = 0;
};

}  // namespace

std::vector<std::size_t> order_of(const std::vector<DeviceCommand>& commands,
                                  const OrderedFor& device, std::size_t window) {
    return Order(commands, device, window).run();
}

}  // namespace acalsim
