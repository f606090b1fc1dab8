// SPDX-License-Identifier: Apache-2.0
// What a device was doing while the CPU waited for it: one stage a cycle.
#pragma once

#include <array>
#include <cstddef>
#include <map>

#include "model/host.hh"

namespace acalsim {

enum class Stage { fetch, load, compute, vector, store, dram };
constexpr const char* kStageNames[] = {"fetch", "load", "compute", "vector", "store", "dram"};
constexpr std::size_t kStageCount = 6;

// Cycles by stage, of each op that a command list names. Op 0 is what comes before the first.
struct Stages {
    using Cycles = std::array<Cycle, kStageCount>;
    std::map<std::uint32_t, Cycles> ops;

    Cycle& at(std::uint32_t op, Stage stage) { return ops[op][static_cast<std::size_t>(stage)]; }

    // Of all ops together.
    Cycles sum() const {
        Cycles all{};
        for (const auto& [op, cycles] : ops)
            for (std::size_t i = 0; i < kStageCount; ++i) all[i] += cycles[i];
        return all;
    }

    Cycle total() const {
        Cycle all = 0;
        for (const Cycle each : sum()) all += each;
        return all;
    }

    // What has come since it was `before`.
    Stages since(const Stages& before) const {
        Stages more;
        for (const auto& [op, cycles] : ops) {
            const auto found = before.ops.find(op);
            const Cycles was = found == before.ops.end() ? Cycles{} : found->second;
            for (std::size_t i = 0; i < kStageCount; ++i)
                if (cycles[i] > was[i]) more.ops[op][i] = cycles[i] - was[i];
        }
        return more;
    }

    Stages& operator+=(const Stages& more) {
        for (const auto& [op, cycles] : more.ops)
            for (std::size_t i = 0; i < kStageCount; ++i) ops[op][i] += cycles[i];
        return *this;
    }
};

}  // namespace acalsim
