// SPDX-License-Identifier: Apache-2.0
// What a device was doing while the CPU waited for it: one stage a cycle.
#pragma once

#include <array>
#include <cstddef>

#include "model/host.hh"

namespace acalsim {

enum class Stage { fetch, load, compute, vector, store, dram };
constexpr const char* kStageNames[] = {"fetch", "load", "compute", "vector", "store", "dram"};
constexpr std::size_t kStageCount = 6;

// Cycles by stage.
struct Stages {
    std::array<Cycle, kStageCount> cycles{};

    Cycle& operator[](Stage stage) { return cycles[static_cast<std::size_t>(stage)]; }

    Cycle total() const {
        Cycle sum = 0;
        for (const Cycle each : cycles) sum += each;
        return sum;
    }

    // What has come since it was `before`.
    Stages since(const Stages& before) const {
        Stages more;
        for (std::size_t i = 0; i < kStageCount; ++i) more.cycles[i] = cycles[i] - before.cycles[i];
        return more;
    }
};

}  // namespace acalsim
