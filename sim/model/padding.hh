// SPDX-License-Identifier: Apache-2.0
// Values of a LOAD: rows from RAM go to the scratchpad with zeros around each plane.
#pragma once

#include <algorithm>

#include "model/command.hh"
#include "model/local_memory.hh"

namespace acalsim {

// `bytes` are those of the tile in RAM, row after row, of a LOAD that was checked.
inline void load_values(const DeviceCommand& command, const Bytes& bytes, LocalMemory& scratchpad) {
    const Block tile = scratchpad_tile(command);
    const std::uint8_t* source = bytes.data();
    std::uint64_t row = 0;
    tile.for_each_row([&](std::uint64_t offset) {
        std::uint8_t* target = &scratchpad[command.a + offset];
        std::fill(target, target + tile.row_bytes, std::uint8_t(0));
        if (row >= command.pad_top && row < std::uint64_t(command.pad_top) + command.rows) {
            std::copy(source, source + command.row_bytes, target + command.pad_left);
            source += command.row_bytes;
        }
        if (++row == tile.rows) row = 0;
    });
}

}  // namespace acalsim
