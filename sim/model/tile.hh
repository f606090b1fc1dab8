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

// The list by which a LOAD with FLAG_GATHER takes a table's rows. Without values it is guessed: 0,
// 1, 2... over and over.
inline std::vector<std::int64_t> indices_of(const DeviceCommand& x, const LocalMemory& scratchpad,
                                            bool has_values) {
    std::vector<std::int64_t> indices;
    const Block tile = dram_tile(x);
    for (std::uint64_t row = 0; tile.bytes() && row < tile.rows; ++row) {
        std::int64_t index = std::int64_t(row % x.c);
        std::int32_t narrow = 0;
        if (has_values && x.type == TYPE_INT64) {
            std::memcpy(&index, &scratchpad[x.b + row * sizeof index], sizeof index);
        } else if (has_values) {
            std::memcpy(&narrow, &scratchpad[x.b + row * sizeof narrow], sizeof narrow);
            index = narrow;
        }
        indices.push_back(index);
    }
    return indices;
}

// What a LOAD reads of RAM: its tile, or with FLAG_GATHER the rows that `indices` say, in the order
// of the tile; nothing where an index is outside the table. A negative one counts from the end.
inline std::optional<std::vector<Block>> sources_of(const DeviceCommand& x,
                                                    const std::vector<std::int64_t>& indices) {
    std::vector<Block> rows;
    const Block tile = dram_tile(x);
    if (!tile.bytes()) return rows;
    if (!gathers(x)) return std::vector<Block>{tile};
    for (std::uint64_t i = 0; i < tile.planes * tile.rows; ++i) {
        std::int64_t index = indices[i % tile.rows];
        if (index < 0) index += x.c;
        if (index < 0 || index >= std::int64_t(x.c)) return {};
        rows.push_back({tile.address + i / tile.rows * tile.plane_stride +
                            std::uint64_t(index) * tile.row_stride,
                        tile.row_bytes});
    }
    return rows;
}

}  // namespace acalsim
