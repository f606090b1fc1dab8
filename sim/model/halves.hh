// SPDX-License-Identifier: Apache-2.0
// Elements of the half types, as types of their own.
#pragma once

#include "kernels/bfloat16.h"
#include "kernels/float16.h"

namespace acalsim {

struct Bfloat16 {
    bfloat16 bits;
};
struct Float16 {
    float16 bits;
};

inline float value_of(Bfloat16 element) { return value_of_bf16(element.bits); }
inline float value_of(Float16 element) { return value_of_f16(element.bits); }

template <class Half>
Half half_of(float value);
template <>
inline Bfloat16 half_of(float value) {
    return {bf16_of(value)};
}
template <>
inline Float16 half_of(float value) {
    return {f16_of(value)};
}

template <class Element>
inline constexpr bool is_half = false;
template <>
inline constexpr bool is_half<Bfloat16> = true;
template <>
inline constexpr bool is_half<Float16> = true;

}  // namespace acalsim
