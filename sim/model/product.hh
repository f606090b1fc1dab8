// SPDX-License-Identifier: Apache-2.0
// Values of a matrix product: what the array computes, without its time.
#pragma once

#include <cstdint>
#include <cstring>

#include "model/host.hh"
#include "model/local_memory.hh"
#include "registers.h"

namespace acalsim {

// C (+)= A @ B of a MATMUL that was checked, between the device's two memories. float32: each sum
// takes its products in ascending k, each with one rounding (fused multiply-add), so that results
// are the same bits on every host. int8: sums are int32 and wrap around.
void multiply(const DeviceCommand& command, const LocalMemory& scratchpad,
              LocalMemory& accumulator);

// float32 a * b + c with one rounding, from operations that every host has. In float64 the product
// is exact; the sum is made odd where it is not exact, which makes its rounding to float32 right
// (S. Boldo, G. Melquiond, Emulation of a FMA and correctly rounded sums, 2008).
inline float fused_multiply_add(float a, float b, float c) {
    const double product = double(a) * double(b), addend = c;
    const double sum = product + addend;
    const double rest = sum - product;
    const double error = (product - (sum - rest)) + (addend - rest);
    std::int64_t bits;
    std::memcpy(&bits, &sum, sizeof bits);
    // Towards zero where the sum was rounded away from it, then odd: next to the exact value.
    const bool inexact = error > 0 || error < 0;
    const bool away = (error < 0) == (sum > 0);
    bits = inexact ? (bits - away) | 1 : bits;
    double odd;
    std::memcpy(&odd, &bits, sizeof odd);
    return float(odd);
}

}  // namespace acalsim
