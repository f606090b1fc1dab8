// SPDX-License-Identifier: Apache-2.0
// The functions of the vector unit, by the number in a command's `k`.
#pragma once

#include <cstdint>

#include "tables.h"

namespace acalsim {

struct Function {
    std::uint32_t number, commands, operands;  // commands: bit 1 << COMMAND_
    bool special;
    std::uint32_t refused;  // flags
};

constexpr Function kFunctions[] = {
#define ROW(number, commands, operands, special, refused) \
    {number, commands, operands, special != 0, refused},
    ACALSIM_FUNCTIONS(ROW)
#undef ROW
};

// Null where there is none of that number.
constexpr const Function* find_function(std::uint32_t number) {
    for (const Function& row : kFunctions) {
        if (row.number == number) return &row;
    }
    return nullptr;
}

}  // namespace acalsim
