// SPDX-License-Identifier: Apache-2.0
#include "model/operand.hh"

#include <algorithm>

#include "model/function.hh"

namespace acalsim {

std::uint64_t Operand::reach() const {
    std::uint64_t furthest = element_bytes();
    for (std::size_t i = 0; i < counts.size(); ++i) furthest += (counts[i] - 1) * strides[i];
    return furthest;
}

bool Operand::is_aligned() const {
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] > 1 && strides[i] % element_bytes()) return false;
    }
    return address % element_bytes() == 0;
}

bool Operand::stands_still() const {
    for (std::size_t i = 0; i < counts.size(); ++i) {
        if (counts[i] > 1 && !strides[i]) return true;
    }
    return false;
}

namespace {

std::uint64_t at_least_one(std::uint64_t count) { return count ? count : 1; }

Memory memory_of(const DeviceCommand& x, std::uint32_t flag) {
    return x.flags & flag ? Memory::accumulator : Memory::scratchpad;
}

std::array<std::uint64_t, 4> space_of(const DeviceCommand& x) {
    return {at_least_one(x.planes), at_least_one(x.rows), at_least_one(x.m), at_least_one(x.n)};
}

Operand a_of(const DeviceCommand& x) {
    const Memory memory = memory_of(x, FLAG_A_SUMS);
    if (x.code == COMMAND_POOL) {
        const std::uint64_t bytes = type_bytes(type_of(x, 0));
        return {memory,
                type_of(x, 0),
                x.a,
                {at_least_one(x.planes), 1, at_least_one(x.m), at_least_one(x.n)},
                {x.a_outer_stride, 0, x.a_inner_stride, bytes}};
    }
    return {memory,
            type_of(x, 0),
            x.a,
            space_of(x),
            {x.a_outer_stride, x.a_inner_stride, x.a_k_outer_stride, x.a_k_inner_stride}};
}

std::optional<Operand> b_of(const DeviceCommand& x) {
    const Memory memory = memory_of(x, FLAG_B_SUMS);
    const std::uint64_t vectors = !!(x.flags & FLAG_GAMMA) + !!(x.flags & FLAG_BETA);
    if (x.code == COMMAND_POOL) {
        if (x.k != FUNCTION_WEIGHTED) return {};
        const std::uint64_t count = std::uint64_t(x.k_middle) * x.k_inner + vectors;
        return Operand{Memory::scratchpad,
                       TYPE_FLOAT32,
                       x.b,
                       {at_least_one(x.planes), 1, 1, count},
                       {x.b_outer_stride, 0, 0, sizeof(float)}};
    }
    if (x.code == COMMAND_ROWS && vectors) {
        const std::uint64_t count = vectors * at_least_one(x.n);
        return Operand{memory, TYPE_FLOAT32, x.b, {1, 1, 1, count}, {0, 0, 0, sizeof(float)}};
    }
    const bool reads = x.code == COMMAND_VECTOR
                           ? find_function(x.k)->operands == 2 && !(x.flags & FLAG_NUMBER)
                           : x.flags & (FLAG_DIFFERENCE | FLAG_ADD);
    if (!reads) return {};
    return Operand{memory,
                   type_of(x, 1),
                   x.b,
                   space_of(x),
                   {x.b_outer_stride, x.b_inner_stride, x.b_k_outer_stride, x.b_k_inner_stride}};
}

Operand c_of(const DeviceCommand& x) {
    const std::uint32_t type = type_of(x, 2);
    Operand c{memory_of(x, FLAG_C_SUMS),
              type,
              x.c,
              space_of(x),
              {x.dram_plane_stride, x.dram_row_stride, x.c_row_stride, type_bytes(type)}};
    if (x.code == COMMAND_REDUCE) c.counts[3] = 1;
    if (x.code == COMMAND_POOL) {
        const Pooling pooling = pooling_of(x);
        c.counts = {at_least_one(x.planes), 1, at_least_one(pooling.out_rows),
                    at_least_one(pooling.out_columns)};
    }
    return c;
}

}  // namespace

Operands operands_of(const DeviceCommand& x) { return {a_of(x), b_of(x), c_of(x)}; }

std::uint32_t check_operands(const DeviceCommand& x, const Limits& limits) {
    const Operands operands = operands_of(x);
    const Operand& c = operands.c;
    if (!operands.a.is_aligned() || (operands.b && !operands.b->is_aligned()) || !c.is_aligned())
        return ERROR_ALIGNMENT;
    if (x.code == COMMAND_POOL && !pooling_of(x).out_rows) return ERROR_SIZE;
    // Elements of C that lie over each other so often that there is no room for them side by side.
    const std::uint64_t room =
        c.memory == Memory::accumulator ? limits.accumulator_bytes : limits.scratchpad_bytes;
    const bool crowded = c.elements() > room / c.element_bytes();
    const bool within = c.address <= room && c.reach() <= room - c.address;
    return c.stands_still() || (crowded && within) ? ERROR_SIZE : ERROR_NONE;
}

}  // namespace acalsim
