// SPDX-License-Identifier: Apache-2.0
// Values of a POOL.
#include <optional>
#include <vector>

#include "model/elements.hh"
#include "model/epilogue.hh"
#include "model/product.hh"
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

// The sum of products with a plane's weights, in the order of the window's elements, each rounded
// once. The border's elements are zeros that are multiplied as well.
float weighted_in(const DeviceCommand& x, const float* plane, const Pooling& pooling,
                  std::int64_t top, std::int64_t left, const float* weights) {
    float sum = 0;
    for (std::int64_t row = top; row < top + x.k_middle; ++row) {
        const bool is_in = row >= 0 && row < std::int64_t(pooling.rows);
        for (std::int64_t column = left; column < left + x.k_inner; ++column) {
            const bool inside = is_in && column >= 0 && column < std::int64_t(pooling.columns);
            sum = fused_multiply_add(
                inside ? plane[row * std::int64_t(pooling.columns) + column] : 0.0f, *weights++,
                sum);
        }
    }
    return sum;
}

// Scale, bias and bounds, each operation rounded on its own; the two vectors' numbers follow the
// weights.
float finished(const DeviceCommand& x, float value, const float* vectors) {
    if (x.flags & FLAG_SCALE) value *= x.scale;
    if (x.flags & FLAG_GAMMA) value *= *vectors++;
    if (x.flags & FLAG_BETA) value += *vectors;
    return bounded(x, value);
}

void weigh(const DeviceCommand& x, const Pooling& pooling, const float* plane, const float* weights,
           Writer<float>& writer) {
    const float* vectors = weights + std::size_t(x.k_middle) * x.k_inner;
    for (std::uint64_t row = 0; row < pooling.out_rows; ++row) {
        for (std::uint64_t column = 0; column < pooling.out_columns; ++column) {
            const auto top = std::int64_t(row * x.pool_stride) - x.pad_top,
                       left = std::int64_t(column * x.pool_stride) - x.pad_left;
            const float value =
                finished(x, weighted_in(x, plane, pooling, top, left, weights), vectors);
            writer.append(&value, 1);
        }
    }
}

}  // namespace

void compute_pool(const DeviceCommand& x, const Memories& memories) {
    const Operands operands = operands_of(x);
    const Pooling pooling = pooling_of(x);
    Reader<float> reader(operands.a, memories);
    Writer<float> writer(operands.c, x);
    std::vector<float> plane(pooling.rows * pooling.columns);
    std::vector<float> weights(operands.b ? operands.b->counts[3] : 0);
    std::optional<Reader<float>> of_weights;
    if (operands.b) of_weights.emplace(*operands.b, memories);
    for (std::uint64_t i = 0; i < operands.a.counts[0]; ++i) {
        for (std::uint64_t row = 0; row < pooling.rows; ++row)
            reader.next(&plane[row * pooling.columns]);
        if (of_weights) {
            of_weights->next(weights.data());
            weigh(x, pooling, plane.data(), weights.data(), writer);
            continue;
        }
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
