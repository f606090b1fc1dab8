// SPDX-License-Identifier: Apache-2.0
// Bytes of a tile that lies in one of a device's memories, with and without the gaps between rows.
#pragma once

#include <cstring>
#include <optional>
#include <vector>

#include "model/command.hh"
#include "model/host.hh"
#include "model/local_memory.hh"

namespace acalsim {

// The tile that `dram` says where it is an address in a scratchpad.
inline Block peer_tile(const DeviceCommand& command) {
    Block block = dram_tile(command);
    block.address = peer_offset(command.dram);
    return block;
}

inline Bytes gather_tile(const LocalMemory& memory, const Block& tile) {
    Bytes bytes(tile.bytes());
    std::uint8_t* to = bytes.data();
    tile.for_each_row([&](std::uint64_t offset) {
        std::memcpy(to, &memory[tile.address + offset], tile.row_bytes);
        to += tile.row_bytes;
    });
    return bytes;
}

inline void scatter_tile(LocalMemory& memory, const Block& tile, const Bytes& bytes) {
    const std::uint8_t* from = bytes.data();
    tile.for_each_row([&](std::uint64_t offset) {
        std::memcpy(&memory[tile.address + offset], from, tile.row_bytes);
        from += tile.row_bytes;
    });
}

// What a LOAD reads of RAM: its tile, or with FLAG_GATHER the rows that the list says, in the order
// of the tile; nothing where an index is outside the table. A negative one counts from the end.
// Without values the indices are 0, 1, 2... over and over.
inline std::optional<std::vector<Block>> sources_of(const DeviceCommand& x,
                                                    const LocalMemory& scratchpad,
                                                    bool has_values) {
    std::vector<Block> rows;
    const Block tile = dram_tile(x);
    if (!tile.bytes()) return rows;
    if (!gathers(x)) return std::vector<Block>{tile};
    for (std::uint64_t i = 0; i < tile.planes * tile.rows; ++i) {
        const std::uint64_t row = i % tile.rows;
        std::int64_t index = 0;
        if (x.type == TYPE_INT64) {
            std::memcpy(&index, &scratchpad[x.b + row * sizeof index], sizeof index);
        } else {
            std::int32_t narrow;
            std::memcpy(&narrow, &scratchpad[x.b + row * sizeof narrow], sizeof narrow);
            index = narrow;
        }
        if (!has_values) index = std::int64_t(row % x.c);
        if (index < 0) index += x.c;
        if (index < 0 || index >= std::int64_t(x.c)) return {};
        rows.push_back({tile.address + i / tile.rows * tile.plane_stride +
                            std::uint64_t(index) * tile.row_stride,
                        tile.row_bytes});
    }
    return rows;
}

}  // namespace acalsim
