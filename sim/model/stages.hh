// SPDX-License-Identifier: Apache-2.0
// What a device was doing while the CPU waited for it: one stage a cycle.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>

#include "model/host.hh"

namespace acalsim {

enum class Stage { fetch, load, compute, vector, store, dram };
constexpr const char* kStageNames[] = {"fetch", "load", "compute", "vector", "store", "dram"};
constexpr std::size_t kStageCount = 6;

// Cycles by stage, of each op that a command list names, and in `first` of what comes before these.
struct Stages {
    using Cycles = std::array<Cycle, kStageCount>;
    Cycles first{};  // a place of its own: a device without lists has no other, at each access
    std::map<std::uint32_t, Cycles> named;

    Cycle& at(std::uint32_t op, Stage stage) { return of(op)[static_cast<std::size_t>(stage)]; }

    Cycles& of(std::uint32_t op) { return op ? named[op] : first; }

    // Of all ops together.
    Cycles sum() const {
        Cycles all = first;
        for (const auto& [op, cycles] : named) add(all, cycles);
        return all;
    }

    Cycle total() const {
        Cycle all = 0;
        for (const Cycle each : sum()) all += each;
        return all;
    }

    // What has come since it was `before`.
    Stages since(const Stages& before) const {
        Stages more{less(first, before.first), {}};
        for (const auto& [op, cycles] : named) {
            const auto found = before.named.find(op);
            const Cycles come =
                less(cycles, found == before.named.end() ? Cycles{} : found->second);
            if (come != Cycles{}) more.named[op] = come;
        }
        return more;
    }

    Stages& operator+=(const Stages& more) {
        add(first, more.first);
        for (const auto& [op, cycles] : more.named) add(named[op], cycles);
        return *this;
    }

private:
    static void add(Cycles& to, const Cycles& more) {
        for (std::size_t i = 0; i < kStageCount; ++i) to[i] += more[i];
    }

    static Cycles less(Cycles from, const Cycles& before) {
        for (std::size_t i = 0; i < kStageCount; ++i) from[i] -= std::min(from[i], before[i]);
        return from;
    }
};

}  // namespace acalsim
