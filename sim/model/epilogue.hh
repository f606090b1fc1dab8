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

// What FLAG_RELU and FLAG_CLAMP make of a value.
inline float bounded(const DeviceCommand& x, float value) {
    if (x.flags & FLAG_RELU && value < 0.0f) value = 0.0f;
    if (x.flags & FLAG_CLAMP) value = value < x.low ? x.low : value > x.high ? x.high : value;
    return value;
}

}  // namespace acalsim
