// SPDX-License-Identifier: Apache-2.0
#include "model/command.hh"

#include <algorithm>

namespace acalsim {

Offsets Walk::offsets() const {
    const std::uint64_t steps = inner ? inner : std::max<std::uint64_t>(count, 1);
    Offsets offsets(count);
    for (std::uint64_t x = 0; x < count; ++x) {
        const std::uint64_t turn = x / steps;
        const std::uint64_t outer = middle ? turn / middle : 0;
        offsets[x] = x % steps * inner_stride + (turn - outer * middle) * middle_stride +
                     outer * outer_stride;
    }
    return offsets;
}

bool Walk::stands_still() const {
    const std::uint64_t steps = inner ? inner : std::max<std::uint64_t>(count, 1);
    const std::uint64_t turns = (count + steps - 1) / steps;
    return (std::min(count, steps) > 1 && !inner_stride) ||
           ((middle ? std::min(turns, middle) : turns) > 1 && !middle_stride) ||
           (middle && turns > middle && !outer_stride);
}

Walk a_rows(const DeviceCommand& x) {
    return {x.m, x.m_inner, 0, x.a_inner_stride, x.a_outer_stride, 0};
}

Walk a_columns(const DeviceCommand& x) {
    return {
        x.k, x.k_inner, x.k_middle, x.a_k_inner_stride, x.a_k_middle_stride, x.a_k_outer_stride};
}

Walk b_rows(const DeviceCommand& x) {
    return {
        x.k, x.k_inner, x.k_middle, x.b_k_inner_stride, x.b_k_middle_stride, x.b_k_outer_stride};
}

Walk b_columns(const DeviceCommand& x) {
    return {x.n, x.n_inner, 0, x.b_inner_stride, x.b_outer_stride, 0};
}

Walk c_rows(const DeviceCommand& x) { return {x.m, 0, 0, x.c_row_stride, 0, 0}; }

std::uint64_t operand_bytes(const DeviceCommand& x) { return type_bytes(x.type); }

std::uint32_t residual_type(const DeviceCommand& x) {
    if (x.flags & FLAG_INT8_RESIDUAL) return TYPE_INT8;
    if (x.flags & FLAG_BFLOAT16_RESIDUAL) return TYPE_BFLOAT16;
    return x.flags & FLAG_FLOAT16_RESIDUAL ? TYPE_FLOAT16 : TYPE_FLOAT32;
}

std::uint64_t residual_bytes(const DeviceCommand& x) { return type_bytes(residual_type(x)); }

namespace {

std::uint64_t planes_of(const DeviceCommand& x) { return x.planes ? x.planes : 1; }

// How many windows move over a dimension; 0 where one would lie on nothing but border.
std::uint64_t windows(std::uint64_t before, std::uint64_t size, std::uint64_t behind,
                      std::uint64_t window, std::uint64_t stride) {
    const std::uint64_t whole = before + size + behind;
    if (!window || !stride || !size || window > whole || before >= window) return 0;
    const std::uint64_t count = (whole - window) / stride + 1;
    return (count - 1) * stride < before + size ? count : 0;
}

}  // namespace

std::uint64_t vector_count(const DeviceCommand& x, std::uint32_t rows, std::uint32_t columns) {
    return x.flags & rows ? x.m : x.flags & columns ? x.n : 0;
}

std::uint64_t vector_bytes(const DeviceCommand& x) {
    return kSumBytes * (vector_count(x, FLAG_SCALE_ROWS, FLAG_SCALE_COLUMNS) +
                        vector_count(x, FLAG_BIAS_ROWS, FLAG_BIAS_COLUMNS));
}

Pooling pooling_of(const DeviceCommand& x) {
    std::uint64_t rows = std::max<std::uint64_t>(x.m, 1), columns = std::max<std::uint64_t>(x.n, 1);
    if (x.code != COMMAND_POOL) {
        if (!x.n_inner || x.n % x.n_inner) return {};
        rows = x.n / x.n_inner;
        columns = x.n_inner;
    }
    const Pooling pooling{rows, columns,
                          windows(x.pad_top, rows, x.pad_bottom, x.k_middle, x.pool_stride),
                          windows(x.pad_left, columns, x.pad_right, x.k_inner, x.pool_stride)};
    return pooling.out_rows && pooling.out_columns ? pooling : Pooling{};
}

std::uint64_t dram_bytes(const DeviceCommand& x) {
    return planes_of(x) * x.rows * std::uint64_t(x.row_bytes);
}

Block dram_tile(const DeviceCommand& x) {
    return {x.dram, x.row_bytes, x.rows, planes_of(x), x.dram_row_stride, x.dram_plane_stride};
}

std::uint64_t dram_extent(const DeviceCommand& x) {
    Block tile = dram_tile(x);
    if (!gathers(x)) return tile.extent();
    tile.rows = 1;
    const std::uint64_t more = UINT64_MAX - tile.extent(), stride = x.dram_row_stride;
    if (stride && x.c - 1 > more / stride) return UINT64_MAX;
    return tile.extent() + (x.c - 1) * stride;
}

Block scratchpad_tile(const DeviceCommand& x) {
    Block tile{x.a, x.row_bytes, x.rows, planes_of(x), x.a_inner_stride, x.a_outer_stride};
    if (x.code == COMMAND_LOAD) {
        tile.row_bytes += std::uint64_t(x.pad_left) + x.pad_right;
        tile.rows += std::uint64_t(x.pad_top) + x.pad_bottom;
    } else if (x.code == COMMAND_STORE) {
        tile.row_bytes = x.row_bytes / operand_bytes(x) * residual_bytes(x);
    }
    return tile;
}

}  // namespace acalsim
