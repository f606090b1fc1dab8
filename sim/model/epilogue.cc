// SPDX-License-Identifier: Apache-2.0
#include "model/epilogue.hh"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "model/command.hh"
#include "model/elementwise.hh"
#include "model/halves.hh"
#include "model/tile.hh"
#include "model/window.hh"

namespace acalsim {

namespace {

template <class Value>
Value get(const LocalMemory& memory, std::uint64_t address) {
    Value value;
    std::memcpy(&value, &memory[address], sizeof value);
    return value;
}

// The factor and the summand of each row, or of each column, of C.
class Vectors {
public:
    Vectors(const DeviceCommand& x, const LocalMemory& scratchpad) {
        std::uint64_t address = x.b;
        scales_ = take(x, FLAG_SCALE_ROWS, FLAG_SCALE_COLUMNS, scratchpad, address);
        bias_ = take(x, FLAG_BIAS_ROWS, FLAG_BIAS_COLUMNS, scratchpad, address);
        scale_rows_ = x.flags & FLAG_SCALE_ROWS;
        bias_rows_ = x.flags & FLAG_BIAS_ROWS;
    }

    // Each operation is rounded on its own.
    float apply(float value, std::uint32_t row, std::uint32_t column) const {
        if (!scales_.empty()) value *= scales_[scale_rows_ ? row : column];
        if (!bias_.empty()) value += bias_[bias_rows_ ? row : column];
        return value;
    }

private:
    static std::vector<float> take(const DeviceCommand& x, std::uint32_t rows,
                                   std::uint32_t columns, const LocalMemory& scratchpad,
                                   std::uint64_t& address) {
        std::vector<float> values(vector_count(x, rows, columns));
        if (!values.empty())
            std::memcpy(values.data(), &scratchpad[address], values.size() * sizeof(float));
        address += values.size() * sizeof(float);
        return values;
    }

    std::vector<float> scales_, bias_;
    bool scale_rows_, bias_rows_;
};

// One float for each element of C, row after row, residual not yet added.
template <class Sum>
std::vector<float> scaled(const DeviceCommand& x, const LocalMemory& scratchpad,
                          const LocalMemory& accumulator) {
    const Vectors vectors(x, scratchpad);
    std::vector<float> values;
    values.reserve(std::size_t(x.m) * x.n);
    for (std::uint32_t row = 0; row < x.m; ++row) {
        const std::uint64_t line = x.c + std::uint64_t(row) * x.c_row_stride;
        for (std::uint32_t column = 0; column < x.n; ++column) {
            float value = float(get<Sum>(accumulator, line + column * kSumBytes));
            if (x.flags & FLAG_SCALE) value *= x.scale;
            values.push_back(vectors.apply(value, row, column));
        }
    }
    return values;
}

// An element of the residual.
float residual_at(const DeviceCommand& x, const LocalMemory& scratchpad, std::uint64_t address) {
    switch (residual_type(x)) {
        case TYPE_INT8:
            return float(get<std::int8_t>(scratchpad, address)) * x.residual_scale;
        case TYPE_BFLOAT16:
            return value_of(get<Bfloat16>(scratchpad, address));
        case TYPE_FLOAT16:
            return value_of(get<Float16>(scratchpad, address));
        default:
            return get<float>(scratchpad, address);
    }
}

// The residual's elements follow each other in the order of RAM's rows, which is that of C's too.
void add_residual(const DeviceCommand& x, const LocalMemory& scratchpad,
                  std::vector<float>& values) {
    const Block tile = scratchpad_tile(x);
    const std::uint64_t step = residual_bytes(x);
    auto value = values.begin();
    tile.for_each_row([&](std::uint64_t offset) {
        for (std::uint64_t at = 0; at < tile.row_bytes; at += step) {
            *value++ += residual_at(x, scratchpad, x.a + offset + at);
        }
    });
}

// The largest of each window.
std::vector<float> pooled(const DeviceCommand& x, const std::vector<float>& values) {
    const Pooling pooling = pooling_of(x);
    std::vector<float> result;
    result.reserve(x.m * pooling.out_rows * pooling.out_columns);
    for (std::uint32_t plane = 0; plane < x.m; ++plane) {
        for_each_window(x, pooling, [&](const Taps& rows, const Taps& columns) {
            result.push_back(
                largest_in(&values[std::size_t(plane) * x.n], pooling.columns, rows, columns));
        });
    }
    return result;
}

// To nearest, halves to even, saturated; NaN becomes the lowest.
std::int8_t quantised(float value) {
    return std::int8_t(std::rint(std::fmin(std::fmax(value, -128.0f), 127.0f)));
}

template <class Convert>
Bytes bytes_of(const std::vector<float>& values, Convert convert) {
    using Element = decltype(convert(0.0f));
    Bytes bytes(values.size() * sizeof(Element));
    for (std::size_t i = 0; i < values.size(); ++i) {
        const Element element = convert(values[i]);
        std::memcpy(&bytes[i * sizeof element], &element, sizeof element);
    }
    return bytes;
}

}  // namespace

Bytes leaving_values(const DeviceCommand& x, const LocalMemory& scratchpad,
                     const LocalMemory& accumulator) {
    if (x.code == COMMAND_SAVE) {
        const bool of_sums = x.flags & FLAG_A_SUMS;
        return gather_tile(of_sums ? accumulator : scratchpad, scratchpad_tile(x));
    }
    std::vector<float> values = x.flags & FLAG_INT32_SUMS
                                    ? scaled<std::int32_t>(x, scratchpad, accumulator)
                                    : scaled<float>(x, scratchpad, accumulator);
    if (x.flags & FLAG_RESIDUAL) add_residual(x, scratchpad, values);
    for (float& value : values) value = bounded(x, value);
    if (x.flags & FLAG_ACTIVATION)
        compute(x.k, values.data(), nullptr, values.data(), values.size());
    if (x.flags & FLAG_POOL) values = pooled(x, values);
    if (x.flags & FLAG_SCALE_RESULT) {
        for (float& value : values) value *= x.high;
    }
    switch (x.type) {
        case TYPE_INT8:
            return bytes_of(values, quantised);
        case TYPE_BFLOAT16:
            return bytes_of(values, half_of<Bfloat16>);
        case TYPE_FLOAT16:
            return bytes_of(values, half_of<Float16>);
        default:
            return bytes_of(values, [](float value) { return value; });
    }
}

}  // namespace acalsim
