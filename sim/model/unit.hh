// SPDX-License-Identifier: Apache-2.0
// The units of a compute device, by name.
#pragma once

#include <cstddef>

namespace acalsim {

enum class Unit { load, compute, vector, store };
constexpr Unit kUnits[] = {Unit::load, Unit::compute, Unit::vector, Unit::store};
constexpr std::size_t kUnitCount = 4;

inline const char* unit_name(Unit unit) {
    constexpr const char* kNames[] = {"load", "compute", "vector", "store"};
    return kNames[static_cast<std::size_t>(unit)];
}

}  // namespace acalsim
