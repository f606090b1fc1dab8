// SPDX-License-Identifier: Apache-2.0
// The windows of a pooling: which of a plane's elements lie in each of them.
#pragma once

#include <algorithm>
#include <cstdint>

#include "model/command.hh"

namespace acalsim {

// A window's part within the plane, in one dimension: from `first` to before `end`.
struct Taps {
    std::uint64_t first, end;

    std::uint64_t size() const { return end - first; }
};

// Of the window that begins at `start` of the plane with its border.
inline Taps within(std::uint64_t start, std::uint64_t window, std::uint64_t border,
                   std::uint64_t size) {
    const std::uint64_t last = start + window;
    return {start < border ? 0 : start - border, last < border ? 0 : std::min(last - border, size)};
}

// Calls visit(rows, columns) with each window's taps, row after row.
template <class Visit>
void for_each_window(const DeviceCommand& x, const Pooling& pooling, Visit visit) {
    for (std::uint64_t row = 0; row < pooling.out_rows; ++row) {
        const Taps rows = within(row * x.pool_stride, x.k_middle, x.pad_top, pooling.rows);
        for (std::uint64_t column = 0; column < pooling.out_columns; ++column)
            visit(rows, within(column * x.pool_stride, x.k_inner, x.pad_left, pooling.columns));
    }
}

// The largest of a window of `plane`, whose rows have `columns` elements; NaN is larger than all.
inline float largest_in(const float* plane, std::uint64_t columns, const Taps& of_rows,
                        const Taps& of_columns) {
    float best = -__builtin_inff();
    for (std::uint64_t row = of_rows.first; row < of_rows.end; ++row) {
        for (std::uint64_t column = of_columns.first; column < of_columns.end; ++column) {
            const float value = plane[row * columns + column];
            if (value > best || value != value) best = value;
            if (best != best) return best;
        }
    }
    return best;
}

}  // namespace acalsim
