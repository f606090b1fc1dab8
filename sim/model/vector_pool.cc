// SPDX-License-Identifier: Apache-2.0
// Values of a POOL.
#include <vector>

#include "model/elements.hh"
#include "model/vector_values.hh"
#include "model/window.hh"

namespace acalsim {

namespace {

// In the order of the window's elements.
float sum_in(const float* plane, std::uint64_t columns, const Taps& of_rows,
             const Taps& of_columns) {
    float sum = 0;
    for (std::uint64_t row = of_rows.first; row < of_rows.end; ++row) {
        for (std::uint64_t column = of_columns.first; column < of_columns.end; ++column)
            sum += plane[row * columns + column];
    }
    return sum;
}

float factor_of(const DeviceCommand& x, const Taps& rows, const Taps& columns) {
    if (x.flags & FLAG_SCALE) return x.scale;
    const std::uint64_t inside = rows.size() * columns.size();
    return 1.0f /
           float(x.flags & FLAG_COUNT_BORDER ? std::uint64_t(x.k_middle) * x.k_inner : inside);
}

}  // namespace

void compute_pool(const DeviceCommand& x, const Memories& memories) {
    const Operands operands = operands_of(x);
    const Pooling pooling = pooling_of(x);
    Reader<float> reader(operands.a, memories);
    Writer<float> writer(operands.c, x);
    std::vector<float> plane(pooling.rows * pooling.columns);
    for (std::uint64_t i = 0; i < operands.a.counts[0]; ++i) {
        for (std::uint64_t row = 0; row < pooling.rows; ++row)
            reader.next(&plane[row * pooling.columns]);
        for_each_window(x, pooling, [&](const Taps& rows, const Taps& columns) {
            const float value = x.k == FUNCTION_MAX
                                    ? largest_in(plane.data(), pooling.columns, rows, columns)
                                    : sum_in(plane.data(), pooling.columns, rows, columns) *
                                          factor_of(x, rows, columns);
            writer.append(&value, 1);
        });
    }
    writer.write(memories);
}

}  // namespace acalsim
