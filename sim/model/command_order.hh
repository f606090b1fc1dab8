// SPDX-License-Identifier: Apache-2.0
// In which order the commands of a list would start if no queue held them up. Lists that come in
// that order keep units busy across the borders of ops.
#pragma once

#include <cstddef>
#include <vector>

#include "model/array_unit.hh"
#include "model/command.hh"
#include "model/dram.hh"
#include "model/vector_unit.hh"

namespace acalsim {

// The device that a list is for.
struct OrderedFor {
    ArrayUnit array;
    VectorUnit vector;
    DramTiming ram;
    std::uint64_t port_bytes_per_cycle, base;
};

// The places of all commands in their new order. A command never passes one that it conflicts with,
// nor one that belongs to no unit, and a MATMUL none that adds to the same sums; it passes at most
// `window` others.
std::vector<std::size_t> order_of(const std::vector<DeviceCommand>& commands,
                                  const OrderedFor& device, std::size_t window);

}  // namespace acalsim
