// SPDX-License-Identifier: Apache-2.0
#include "model/product.hh"

#include <cmath>
#include <type_traits>
#include <vector>

#include "model/command.hh"
#include "model/halves.hh"

#define ALWAYS_INLINE inline __attribute__((always_inline))

namespace acalsim {

namespace {

template <class Element>
const Element* element_at(const std::uint8_t* address) {
    return reinterpret_cast<const Element*>(address);
}

bool are_adjacent(const Offsets& offsets, std::uint64_t element_bytes) {
    for (std::size_t i = 0; i < offsets.size(); ++i) {
        if (offsets[i] != i * element_bytes) return false;
    }
    return true;
}

template <class Element>
Element factor_of(Element element) {
    return element;
}
float factor_of(Bfloat16 element) { return value_of(element); }
float factor_of(Float16 element) { return value_of(element); }

// The operands as the inner loop wants them: A by distances, B in rows of adjacent elements. They
// lie in memory as `Stored`.
template <class Stored, class Element, class Sum>
class Product {
public:
    Product(const DeviceCommand& command, const LocalMemory& scratchpad, LocalMemory& accumulator)
        : a_(scratchpad.data() + command.a),
          a_rows_(a_rows(command).offsets()),
          a_columns_(a_columns(command).offsets()),
          c_(accumulator.data() + command.c),
          c_rows_(c_rows(command).offsets()),
          n_(command.n) {
        gather_b(command, scratchpad.data() + command.b);
    }

    // The innermost loop runs along a row, so that it can use vectors.
    template <class MultiplyAdd>
    ALWAYS_INLINE void accumulate(bool onto, MultiplyAdd multiply_add) const {
        for (std::size_t row = 0; row < c_rows_.size(); ++row) {
            Sum* __restrict sums = reinterpret_cast<Sum*>(c_ + c_rows_[row]);
            if (!onto) std::memset(sums, 0, n_ * sizeof(Sum));
            const std::uint8_t* a = a_ + a_rows_[row];
            for (std::size_t step = 0; step < b_rows_.size(); ++step) {
                const Element factor = factor_of(*element_at<Stored>(a + a_columns_[step]));
                const Element* __restrict b = b_rows_[step];
                for (std::size_t column = 0; column < n_; ++column) {
                    sums[column] = multiply_add(factor, b[column], sums[column]);
                }
            }
        }
    }

private:
    void gather_b(const DeviceCommand& command, const std::uint8_t* b) {
        const Offsets rows = b_rows(command).offsets(), columns = b_columns(command).offsets();
        if constexpr (std::is_same_v<Stored, Element>) {
            if (are_adjacent(columns, sizeof(Element))) {
                for (const std::uint64_t row : rows)
                    b_rows_.push_back(element_at<Element>(b + row));
                return;
            }
        }
        gathered_.reserve(rows.size() * n_);
        for (const std::uint64_t row : rows) {
            b_rows_.push_back(gathered_.data() + gathered_.size());
            for (const std::uint64_t column : columns)
                gathered_.push_back(factor_of(*element_at<Stored>(b + row + column)));
        }
    }

    const std::uint8_t* const a_;
    const Offsets a_rows_, a_columns_;
    std::uint8_t* const c_;
    const Offsets c_rows_;
    const std::size_t n_;
    std::vector<const Element*> b_rows_;
    std::vector<Element> gathered_;
};

using FloatProduct = Product<float, float, float>;
using Bfloat16Product = Product<Bfloat16, float, float>;
using Float16Product = Product<Float16, float, float>;
using IntProduct = Product<std::int8_t, std::int8_t, std::uint32_t>;

template <class Floats>
void accumulate_portably(const Floats& product, bool onto) {
    product.accumulate(onto, [](float a, float b, float c) { return fused_multiply_add(a, b, c); });
}

#if defined(__x86_64__)
template <class Floats>
__attribute__((target("avx2,fma"))) void accumulate_fused(const Floats& product, bool onto) {
    product.accumulate(onto, [](float a, float b, float c) { return std::fma(a, b, c); });
}
bool has_fused() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#elif defined(__FP_FAST_FMAF)
template <class Floats>
void accumulate_fused(const Floats& product, bool onto) {
    product.accumulate(onto, [](float a, float b, float c) { return std::fma(a, b, c); });
}
bool has_fused() { return true; }
#else
template <class Floats>
void accumulate_fused(const Floats&, bool) {}
bool has_fused() { return false; }
#endif

template <class Floats>
void accumulate_floats(const Floats& product, bool onto) {
    static const bool fused = has_fused();
    fused ? accumulate_fused(product, onto) : accumulate_portably(product, onto);
}

}  // namespace

void multiply(const DeviceCommand& command, const LocalMemory& scratchpad,
              LocalMemory& accumulator) {
    const bool onto = command.flags & FLAG_ACCUMULATE;
    if (command.type == TYPE_INT8) {
        const IntProduct product(command, scratchpad, accumulator);
        product.accumulate(onto, [](std::int8_t a, std::int8_t b, std::uint32_t c) {
            return c + std::uint32_t(std::int32_t(a) * b);
        });
        return;
    }
    if (command.type == TYPE_BFLOAT16)
        return accumulate_floats(Bfloat16Product(command, scratchpad, accumulator), onto);
    if (command.type == TYPE_FLOAT16)
        return accumulate_floats(Float16Product(command, scratchpad, accumulator), onto);
    accumulate_floats(FloatProduct(command, scratchpad, accumulator), onto);
}

}  // namespace acalsim
