// SPDX-License-Identifier: Apache-2.0
// How a row becomes one number: lane l takes elements l, l + lanes, l + 2 lanes..., then lane i
// takes the result of lane i + half, and so on until one is left. So the bits of a sum depend on
// the number of lanes, and on nothing else.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace acalsim {

// `count` is at least 1. The first element of a lane is first(x), another is take(so far, x), and
// two lanes are join(one, other).
template <class Number, class First, class Take, class Join>
Number reduced(const Number* row, std::size_t count, std::size_t lanes, First first, Take take,
               Join join) {
    const std::size_t width = std::min(count, lanes);
    std::vector<Number> lane(row, row + width);
    for (Number& each : lane) each = first(each);
    for (std::size_t begin = width; begin < count; begin += width) {
        const std::size_t some = std::min(width, count - begin);
        for (std::size_t i = 0; i < some; ++i) lane[i] = take(lane[i], row[begin + i]);
    }
    for (std::size_t left = width, half; left > 1; left = half) {
        half = (left + 1) / 2;
        for (std::size_t i = 0; i + half < left; ++i) lane[i] = join(lane[i], lane[i + half]);
    }
    return lane[0];
}

float sum_of(const float* row, std::size_t count, std::size_t lanes);

// Each square is added with one rounding.
float sum_of_squares(const float* row, std::size_t count, std::size_t lanes);

}  // namespace acalsim
