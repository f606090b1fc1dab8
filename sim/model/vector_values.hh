// SPDX-License-Identifier: Apache-2.0
// Values of the vector unit's commands.
#pragma once

#include <cstddef>

#include "model/operand.hh"

namespace acalsim {

// Does a command of the vector unit that was checked. A and B are read before C is written.
void compute_vector(const DeviceCommand& command, std::size_t lanes, const Memories& memories);

// The same of one code each.
void compute_elements(const DeviceCommand& command, const Memories& memories);
void compute_reduction(const DeviceCommand& command, std::size_t lanes, const Memories& memories);
void compute_rows(const DeviceCommand& command, std::size_t lanes, const Memories& memories);
void compute_pool(const DeviceCommand& command, const Memories& memories);

}  // namespace acalsim
