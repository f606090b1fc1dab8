// SPDX-License-Identifier: Apache-2.0
// Values of the vector unit's functions of one element: those of the CPU's kernels, bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace acalsim {

// y[i] = FUNCTION_(a[i], b[i]); SELECT leaves y as it is where b is 0. Operands that the function
// does not have may be null. In int64 sums and products wrap around, x / 0 is -1 and x % 0 is x.
void compute(std::uint32_t function, const float* a, const float* b, float* y, std::size_t count);
void compute(std::uint32_t function, const std::int64_t* a, const std::int64_t* b, std::int64_t* y,
             std::size_t count);

}  // namespace acalsim
