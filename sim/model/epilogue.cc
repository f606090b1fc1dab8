// SPDX-License-Identifier: Apache-2.0
#include "model/epilogue.hh"

#include <algorithm>
#include <cstring>
#include <limits>

#include "model/command.hh"

namespace acalsim {

namespace {

template <class Value>
Value get(const Bytes& memory, std::uint64_t address) {
    Value value;
    std::memcpy(&value, &memory[address], sizeof value);
    return value;
}

// What happens to one element: `bias` and `residual` are there if the flags say so. Results are
// those of the operations as written, each rounded on its own.
float finish(const DeviceCommand& x, float sum, float bias, float residual) {
    float value = sum;
    if (x.flags & FLAG_SCALE) value *= x.scale;
    if (x.flags & (FLAG_BIAS_COLUMNS | FLAG_BIAS_ROWS)) value += bias;
    if (x.flags & FLAG_RESIDUAL) value += residual;
    if (x.flags & FLAG_RELU && value < 0.0f) value = 0.0f;
    if (x.flags & FLAG_CLAMP) value = value < x.low ? x.low : value > x.high ? x.high : value;
    return value;
}

// sum * multiplier / 2**shift, rounded to nearest, halves upwards.
std::int64_t requantised(const DeviceCommand& x, std::int32_t sum) {
    const std::int64_t product = std::int64_t(sum) * x.multiplier;
    return x.shift ? (product + (std::int64_t(1) << (x.shift - 1))) >> x.shift : product;
}

template <class Result>
Result finish(const DeviceCommand& x, std::int32_t sum, std::int32_t bias, Result residual) {
    const auto biased = std::int32_t(std::uint32_t(sum) + std::uint32_t(bias));
    std::int64_t value = x.type == TYPE_INT8 ? requantised(x, biased) : biased;
    value += residual;
    if (x.flags & FLAG_RELU) value = std::max<std::int64_t>(value, 0);
    constexpr std::int64_t smallest = std::numeric_limits<Result>::min();
    constexpr std::int64_t largest = std::numeric_limits<Result>::max();
    double clamped = double(std::clamp(value, smallest, largest));
    if (x.flags & FLAG_CLAMP)
        clamped = clamped < x.low ? x.low : clamped > x.high ? x.high : clamped;
    return Result(std::clamp(clamped, double(smallest), double(largest)));
}

// Elements in the order of RAM's rows, which is that of C's rows too.
template <class Sum, class Result>
Bytes finish_all(const DeviceCommand& x, const Bytes& scratchpad, const Bytes& accumulator) {
    Bytes bytes(dram_bytes(x));
    std::uint8_t* target = bytes.data();
    std::uint32_t row = 0, column = 0;
    const Block tile = scratchpad_tile(x);
    tile.for_each_row([&](std::uint64_t offset) {
        for (std::uint64_t at = 0; at < tile.row_bytes; at += sizeof(Result)) {
            const Sum sum = get<Sum>(
                accumulator, x.c + std::uint64_t(row) * x.c_row_stride + column * kSumBytes);
            Sum bias = 0;
            Result residual = 0;
            if (x.flags & FLAG_BIAS_COLUMNS) bias = get<Sum>(scratchpad, x.b + column * kSumBytes);
            if (x.flags & FLAG_BIAS_ROWS) bias = get<Sum>(scratchpad, x.b + row * kSumBytes);
            if (x.flags & FLAG_RESIDUAL) residual = get<Result>(scratchpad, x.a + offset + at);
            const Result result = finish(x, sum, bias, residual);
            std::memcpy(target, &result, sizeof result);
            target += sizeof result;
            if (++column == x.n) column = 0, ++row;
        }
    });
    return bytes;
}

}  // namespace

Bytes store_values(const DeviceCommand& x, const Bytes& scratchpad, const Bytes& accumulator) {
    switch (x.type) {
        case TYPE_INT8:
            return finish_all<std::int32_t, std::int8_t>(x, scratchpad, accumulator);
        case TYPE_INT32:
            return finish_all<std::int32_t, std::int32_t>(x, scratchpad, accumulator);
        default:
            return finish_all<float, float>(x, scratchpad, accumulator);
    }
}

}  // namespace acalsim
