// SPDX-License-Identifier: Apache-2.0
#include "model/reduction.hh"

#include "model/product.hh"

namespace acalsim {

float sum_of(const float* row, std::size_t count, std::size_t lanes) {
    const auto add = [](float a, float b) { return a + b; };
    return reduced(row, count, lanes, [](float a) { return a; }, add, add);
}

float sum_of_squares(const float* row, std::size_t count, std::size_t lanes) {
    return reduced(
        row, count, lanes, [](float a) { return a * a; },
        [](float so_far, float a) { return fused_multiply_add(a, a, so_far); },
        [](float a, float b) { return a + b; });
}

}  // namespace acalsim
