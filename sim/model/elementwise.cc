// SPDX-License-Identifier: Apache-2.0
#include "model/elementwise.hh"

#include "kernels/divide.h"
#include "kernels/elementary.h"
#include "kernels/rounding.h"
#include "registers.h"

namespace acalsim {

namespace {

// The functions' names and what they are of a and b.
#define FLOAT_FUNCTIONS(UNARY, BINARY)                       \
    UNARY(COPY, a)                                           \
    UNARY(NEGATE, -a)                                        \
    UNARY(ABSOLUTE, magnitude(a))                            \
    UNARY(SIGN, float((a > 0) - (a < 0)))                    \
    UNARY(NOT, float(a == 0))                                \
    UNARY(RELU, a < 0 ? 0 : a)                               \
    UNARY(FLOOR, floored(a))                                 \
    UNARY(CEIL, ceiled(a))                                   \
    UNARY(ROUND, rounded(a))                                 \
    UNARY(TRUNCATE, truncated(a))                            \
    UNARY(RECIPROCAL, 1.0f / a)                              \
    UNARY(SQUARE_ROOT, __builtin_sqrtf(a))                   \
    UNARY(RECIPROCAL_SQUARE_ROOT, 1.0f / __builtin_sqrtf(a)) \
    UNARY(EXP, exp_f32(a))                                   \
    UNARY(EXPM1, expm1_f32(a))                               \
    UNARY(LOG, log_f32(a))                                   \
    UNARY(LOG1P, log1p_f32(a))                               \
    UNARY(ERF, erf_f32(a))                                   \
    UNARY(TANH, tanh_f32(a))                                 \
    UNARY(SIGMOID, sigmoid_f32(a))                           \
    UNARY(SILU, a* sigmoid_f32(a))                           \
    UNARY(GELU, gelu_f32(a))                                 \
    UNARY(GELU_TANH, gelu_tanh_f32(a))                       \
    UNARY(SIN, sin_f32(a))                                   \
    UNARY(COS, cos_f32(a))                                   \
    BINARY(ADD, a + b)                                       \
    BINARY(SUBTRACT, a - b)                                  \
    BINARY(SUBTRACT_FROM, b - a)                             \
    BINARY(MULTIPLY, a* b)                                   \
    BINARY(MAXIMUM, (a > b || a != a) ? a : b)               \
    BINARY(MINIMUM, (a < b || a != a) ? a : b)               \
    BINARY(EQUAL, float(a == b))                             \
    BINARY(NOT_EQUAL, float(a != b))                         \
    BINARY(LESS, float(a < b))                               \
    BINARY(LESS_EQUAL, float(a <= b))                        \
    BINARY(GREATER, float(a > b))                            \
    BINARY(GREATER_EQUAL, float(a >= b))                     \
    BINARY(AND, float((a != 0) & (b != 0)))                  \
    BINARY(OR, float((a != 0) | (b != 0)))                   \
    BINARY(XOR, float((a != 0) != (b != 0)))                 \
    BINARY(SQUARED_DIFFERENCE, (a - b) * (a - b))            \
    BINARY(SECOND, b)                                        \
    BINARY(SELECT, b != 0 ? a : y[i])                        \
    BINARY(DIVIDE, a / b)                                    \
    BINARY(DIVIDE_INTO, b / a)                               \
    BINARY(POWER, pow_f32(a, b))                             \
    BINARY(EXP_DIFFERENCE, exp_f32(a - b))                   \
    BINARY(FLOOR_DIVIDE, divide_floor_f32(a, b))             \
    BINARY(REMAINDER, remainder_f32(a, b))

using Wrapping = std::uint64_t;

// Division as RISC-V has it where there is no quotient.
std::int64_t remainder_of(std::int64_t a, std::int64_t b) { return b ? remainder_i64(a, b) : a; }

std::int64_t floor_of(std::int64_t a, std::int64_t b) {
    if (b == 0) return -1;
    return b == -1 ? std::int64_t(-Wrapping(a)) : divide_floor_i64(a, b);
}

#define INTEGER_FUNCTIONS(UNARY, BINARY)                              \
    UNARY(COPY, a)                                                    \
    UNARY(NEGATE, -Wrapping(a))                                       \
    UNARY(ABSOLUTE, a < 0 ? -Wrapping(a) : Wrapping(a))               \
    UNARY(SIGN, (a > 0) - (a < 0))                                    \
    UNARY(NOT, ~a)                                                    \
    UNARY(RELU, a < 0 ? 0 : a)                                        \
    UNARY(FLOOR, a)                                                   \
    UNARY(CEIL, a)                                                    \
    UNARY(ROUND, a)                                                   \
    UNARY(TRUNCATE, a)                                                \
    BINARY(ADD, Wrapping(a) + Wrapping(b))                            \
    BINARY(SUBTRACT, Wrapping(a) - Wrapping(b))                       \
    BINARY(SUBTRACT_FROM, Wrapping(b) - Wrapping(a))                  \
    BINARY(MULTIPLY, Wrapping(a) * Wrapping(b))                       \
    BINARY(MAXIMUM, a > b ? a : b)                                    \
    BINARY(MINIMUM, a < b ? a : b)                                    \
    BINARY(EQUAL, a == b)                                             \
    BINARY(NOT_EQUAL, a != b)                                         \
    BINARY(LESS, a < b)                                               \
    BINARY(LESS_EQUAL, a <= b)                                        \
    BINARY(GREATER, a > b)                                            \
    BINARY(GREATER_EQUAL, a >= b)                                     \
    BINARY(AND, a& b)                                                 \
    BINARY(OR, a | b)                                                 \
    BINARY(XOR, a ^ b)                                                \
    BINARY(SQUARED_DIFFERENCE, (Wrapping(a) - b) * (Wrapping(a) - b)) \
    BINARY(SECOND, b)                                                 \
    BINARY(SELECT, b != 0 ? a : y[i])                                 \
    BINARY(FLOOR_DIVIDE, floor_of(a, b))                              \
    BINARY(REMAINDER, remainder_of(a, b))

// A loop for each function, so that the host can use vectors.
#define UNARY(name, expression)                   \
    case FUNCTION_##name:                         \
        for (std::size_t i = 0; i < count; ++i) { \
            const Number a = x[i];                \
            y[i] = Number(expression);            \
        }                                         \
        return;
#define BINARY(name, expression)                    \
    case FUNCTION_##name:                           \
        for (std::size_t i = 0; i < count; ++i) {   \
            const Number b = z[i];                  \
            [[maybe_unused]] const Number a = x[i]; \
            y[i] = Number(expression);              \
        }                                           \
        return;

using FloatFunction = void(std::uint32_t, const float*, const float*, float*, std::size_t);

INLINE void compute_floats(std::uint32_t function, const float* x, const float* z, float* y,
                           std::size_t count) {
    using Number = float;
    switch (function) { FLOAT_FUNCTIONS(UNARY, BINARY) }
}

void compute_portably(std::uint32_t function, const float* x, const float* z, float* y,
                      std::size_t count) {
    compute_floats(function, x, z, y, count);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) void compute_fused(std::uint32_t function, const float* x,
                                                       const float* z, float* y,
                                                       std::size_t count) {
    compute_floats(function, x, z, y, count);
}

FloatFunction* fastest() {
    const bool fuses = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return fuses ? compute_fused : compute_portably;
}
#else
FloatFunction* fastest() { return compute_portably; }
#endif

}  // namespace

void compute(std::uint32_t function, const float* a, const float* b, float* y, std::size_t count) {
    static FloatFunction* const compute_fastest = fastest();
    compute_fastest(function, a, b, y, count);
}

void compute(std::uint32_t function, const std::int64_t* x, const std::int64_t* z, std::int64_t* y,
             std::size_t count) {
    using Number = std::int64_t;
    switch (function) { INTEGER_FUNCTIONS(UNARY, BINARY) }
}

}  // namespace acalsim
