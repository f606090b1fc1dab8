// SPDX-License-Identifier: Apache-2.0
// Values of a STORE: what leaves the accumulator memory, scaled, with bias, residual, activation.
#pragma once

#include "model/host.hh"
#include "model/local_memory.hh"
#include "registers.h"

namespace acalsim {

// The bytes of the tile in RAM, row after row, of a STORE or SAVE that was checked.
Bytes leaving_values(const DeviceCommand& command, const LocalMemory& scratchpad,
                     const LocalMemory& accumulator);

}  // namespace acalsim
