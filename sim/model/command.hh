// SPDX-License-Identifier: Apache-2.0
// What a DeviceCommand means: which elements and bytes it touches, in which order, and whether it
// may. The fields are described in registers.h, their rules in docs/device.md.
#pragma once

#include <cstdint>
#include <vector>

#include "model/host.hh"
#include "registers.h"

namespace acalsim {

// Byte distances of consecutive elements from the first.
using Offsets = std::vector<std::uint64_t>;

// One dimension of an operand: x counts inner steps, those count middle steps, those outer ones.
// inner = 0: there are inner steps only. middle = 0: there are no outer ones.
struct Walk {
    std::uint64_t count, inner, middle;
    std::uint64_t inner_stride, middle_stride, outer_stride;

    Offsets offsets() const;
    bool stands_still() const;  // somewhere: several elements in one place
};

Walk a_rows(const DeviceCommand& command);     // m
Walk a_columns(const DeviceCommand& command);  // k
Walk b_rows(const DeviceCommand& command);     // k
Walk b_columns(const DeviceCommand& command);  // n
Walk c_rows(const DeviceCommand& command);     // m

// Which TYPE_ an operand has: 0 is A, 1 B, 2 C.
constexpr std::uint32_t type_of(const DeviceCommand& command, std::uint32_t operand) {
    return command.type >> operand * COMMAND_TYPE_BITS & ((1u << COMMAND_TYPE_BITS) - 1);
}

// Of an element.
constexpr std::uint64_t type_bytes(std::uint32_t type) {
    switch (type) {
        case TYPE_INT8:
        case TYPE_BOOL:
            return 1;
        case TYPE_BFLOAT16:
        case TYPE_FLOAT16:
            return 2;
        case TYPE_INT64:
            return 8;
        default:
            return 4;
    }
}

// Whether `k` says which FUNCTION_.
constexpr bool computes_function(const DeviceCommand& command) {
    return (command.code >= COMMAND_VECTOR && command.code <= COMMAND_POOL) ||
           (command.code == COMMAND_STORE && command.flags & FLAG_ACTIVATION);
}

std::uint64_t operand_bytes(const DeviceCommand& command);  // of an element of A and B, of RAM
std::uint32_t residual_type(const DeviceCommand& command);
std::uint64_t residual_bytes(const DeviceCommand& command);  // of an element of STORE's residual
std::uint64_t vector_bytes(const DeviceCommand& command);    // of STORE's scales and bias together
constexpr std::uint64_t kSumBytes = 4;                       // of an element of C

// Numbers in a vector of STORE's: one a row of C, or one a column, by whichever flag is set.
std::uint64_t vector_count(const DeviceCommand& command, std::uint32_t rows, std::uint32_t columns);

// The tile in RAM of LOAD and STORE, and the one in the scratchpad that goes with it: LOAD's
// target with its padding, STORE's residual. The latter's address is one of the scratchpad.
Block dram_tile(const DeviceCommand& command);
Block scratchpad_tile(const DeviceCommand& command);
std::uint64_t dram_bytes(const DeviceCommand& command);  // without overflow, 0 if there is no tile

// Whether a LOAD's rows are those that a list of indices says, and how large each index is.
constexpr bool gathers(const DeviceCommand& command) {
    return command.code == COMMAND_LOAD && command.flags & FLAG_GATHER;
}
constexpr std::uint64_t index_bytes(const DeviceCommand& command) {
    return command.type == TYPE_INT64 ? 8 : 4;
}

// From the first byte of RAM that a LOAD, STORE or SAVE may touch to the end of the last: of the
// whole table, where it gathers. The largest number where that is beyond 64 bits.
std::uint64_t dram_extent(const DeviceCommand& command);

// What a STORE with FLAG_POOL makes of each row of C, and POOL of each plane: before and after.
struct Pooling {
    std::uint64_t rows, columns, out_rows, out_columns;
};

// All 0 where no window fits, a window holds nothing but border, or sizes contradict each other.
Pooling pooling_of(const DeviceCommand& command);

enum class Memory { scratchpad, accumulator, ram };

// A range of one of the device's memories, or of RAM, from the first byte that a command touches to
// the last.
struct Use {
    Memory memory;
    bool writes;
    std::uint64_t begin, end;
    bool released = false;  // the command has no more need of it
};

// What commands are checked against.
struct Limits {
    MemoryRange ram;
    std::uint64_t scratchpad_bytes, accumulator_bytes;
    Peers peers;
    std::uint64_t own_base;
    bool has_lanes;
    std::uint32_t product_types;  // bit 1 << type of each that a MATMUL may have
};

// A peer's scratchpad as STORE and SIGNAL address it: the peer's base address in the upper half,
// the scratchpad's in the lower. RAM ends below.
constexpr std::uint64_t peer_base(std::uint64_t address) { return address >> 32; }
constexpr std::uint64_t peer_offset(std::uint64_t address) { return address & 0xFFFFFFFF; }
constexpr bool is_peer(std::uint64_t address) { return peer_base(address) >= 0x10000000; }

// ERROR_NONE, or the first complaint in the order: code and flags, alignment, sizes, RAM,
// scratchpad, accumulator memory.
std::uint32_t check_command(const DeviceCommand& command, const Limits& limits);

}  // namespace acalsim
