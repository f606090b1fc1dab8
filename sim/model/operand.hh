// SPDX-License-Identifier: Apache-2.0
// Operands of the vector unit's commands: typed elements in one of the device's memories, walked by
// strides. The fields' roles are in docs/device.md, "The vector unit".
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include "model/command.hh"
#include "model/local_memory.hh"
#include "registers.h"

namespace acalsim {

// The device's two memories.
struct Memories {
    LocalMemory &scratchpad, &accumulator;

    LocalMemory& operator[](Memory which) const {
        return which == Memory::accumulator ? accumulator : scratchpad;
    }
};

struct Operand {
    Memory memory;
    std::uint32_t type;
    std::uint64_t address;
    std::array<std::uint64_t, 4> counts, strides;  // of planes, rows, m, n; bytes

    std::uint64_t element_bytes() const { return type_bytes(type); }
    std::uint64_t rows() const { return counts[0] * counts[1] * counts[2]; }
    std::uint64_t elements() const { return rows() * counts[3]; }
    std::uint64_t reach() const;  // from its first byte to the end of its last
    bool is_aligned() const;
    bool stands_still() const;  // somewhere: several elements in one place
    Use use(bool writes) const { return {memory, writes, address, address + reach()}; }
};

struct Operands {
    Operand a;
    std::optional<Operand> b;  // gamma and beta together are a row
    Operand c;
};

// Whether the vector unit does it.
constexpr bool is_vector(const DeviceCommand& command) {
    return command.code >= COMMAND_VECTOR && command.code <= COMMAND_POOL;
}

// Of a command of the vector unit.
Operands operands_of(const DeviceCommand& command);

// The first of alignment and size that is wrong with a command of the vector unit, or ERROR_NONE.
std::uint32_t check_operands(const DeviceCommand& command, const Limits& limits);

}  // namespace acalsim
