// SPDX-License-Identifier: Apache-2.0
// Values of a REDUCE.
#include <cstdint>
#include <vector>

#include "model/elements.hh"
#include "model/product.hh"
#include "model/reduction.hh"
#include "model/vector_values.hh"

namespace acalsim {

namespace {

// What is added, or compared, in float or, wrapping around, in int64.
template <class Number>
struct Arithmetic {
    static Number add(Number a, Number b) { return Number(std::uint64_t(a) + std::uint64_t(b)); }
    static Number subtract(Number a, Number b) {
        return Number(std::uint64_t(a) - std::uint64_t(b));
    }
    static Number add_square(Number sum, Number a) {
        return Number(std::uint64_t(sum) + std::uint64_t(a) * std::uint64_t(a));
    }
};

template <>
struct Arithmetic<float> {
    static float add(float a, float b) { return a + b; }
    static float subtract(float a, float b) { return a - b; }
    static float add_square(float sum, float a) { return fused_multiply_add(a, a, sum); }
};

template <class Number>
Number larger_of(Number a, Number b) {
    return a > b || a != a ? a : b;
}

template <class Number>
Number smaller_of(Number a, Number b) {
    return a < b || a != a ? a : b;
}

template <class Number>
Number itself(Number a) {
    return a;
}

// The first of the best; NaN is better than all.
template <class Number, class Better>
std::int64_t place_of_best(const Number* row, std::size_t count, Better better) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < count; ++i) {
        const bool is_nan = row[i] != row[i], was_nan = row[best] != row[best];
        if (better(row[i], row[best]) || (is_nan && !was_nan)) best = i;
    }
    return std::int64_t(best);
}

bool finds_place(const DeviceCommand& x) {
    return x.k == FUNCTION_ARGMAX || x.k == FUNCTION_ARGMIN;
}

template <class Number>
std::int64_t place_in(const DeviceCommand& x, const Number* row, std::size_t count) {
    if (x.k == FUNCTION_ARGMAX)
        return place_of_best(row, count, [](Number a, Number b) { return a > b; });
    return place_of_best(row, count, [](Number a, Number b) { return a < b; });
}

// How two results become one, also that of an earlier tile.
template <class Number>
Number joined(const DeviceCommand& x, Number a, Number b) {
    return x.k == FUNCTION_MAX   ? larger_of(a, b)
           : x.k == FUNCTION_MIN ? smaller_of(a, b)
                                 : Arithmetic<Number>::add(a, b);
}

template <class Number>
Number result_of(const DeviceCommand& x, const Number* row, std::size_t count, std::size_t lanes) {
    using A = Arithmetic<Number>;
    switch (x.k) {
        case FUNCTION_MAX:
            return reduced(row, count, lanes, itself<Number>, larger_of<Number>, larger_of<Number>);
        case FUNCTION_MIN:
            return reduced(row, count, lanes, itself<Number>, smaller_of<Number>,
                           smaller_of<Number>);
        case FUNCTION_SUM_SQUARES:
            return reduced(
                row, count, lanes, [](Number a) { return A::add_square(0, a); }, A::add_square,
                A::add);
        default:
            return reduced(row, count, lanes, itself<Number>, A::add, A::add);
    }
}

// A - B, or A, row by row.
template <class Number>
class Source {
public:
    Source(const Operands& operands, const Memories& memories)
        : a_(operands.a, memories),
          b_(operands.b.value_or(operands.a), memories),
          subtracts_(operands.b),
          row_(a_.size()),
          other_(subtracts_ ? a_.size() : 0) {}

    const std::vector<Number>& next() {
        a_.next(row_.data());
        if (!subtracts_) return row_;
        b_.next(other_.data());
        for (std::size_t i = 0; i < row_.size(); ++i)
            row_[i] = Arithmetic<Number>::subtract(row_[i], other_[i]);
        return row_;
    }

private:
    Reader<Number> a_, b_;
    const bool subtracts_;
    std::vector<Number> row_, other_;
};

template <class Number>
void find_places(const DeviceCommand& x, const Memories& memories) {
    const Operands operands = operands_of(x);
    Source<Number> source(operands, memories);
    Writer<std::int64_t> writer(operands.c, x);
    for (std::uint64_t i = 0; i < operands.c.rows(); ++i) {
        const std::vector<Number>& row = source.next();
        const std::int64_t place = place_in(x, row.data(), row.size());
        writer.append(&place, 1);
    }
    writer.write(memories);
}

template <class Number>
void reduce(const DeviceCommand& x, std::size_t lanes, const Memories& memories) {
    const Operands operands = operands_of(x);
    Source<Number> source(operands, memories);
    Reader<Number> before(operands.c, memories);
    Writer<Number> writer(operands.c, x);
    for (std::uint64_t i = 0; i < operands.c.rows(); ++i) {
        const std::vector<Number>& row = source.next();
        Number result = result_of(x, row.data(), row.size(), lanes), earlier;
        before.next(&earlier);
        if (x.flags & FLAG_ACCUMULATE) result = joined(x, result, earlier);
        if (x.flags & FLAG_SCALE) result = Number(result * x.scale);
        writer.append(&result, 1);
    }
    writer.write(memories);
}

}  // namespace

void compute_reduction(const DeviceCommand& x, std::size_t lanes, const Memories& memories) {
    const bool whole = x.flags & FLAG_INTEGER;
    if (finds_place(x))
        return whole ? find_places<std::int64_t>(x, memories) : find_places<float>(x, memories);
    whole ? reduce<std::int64_t>(x, lanes, memories) : reduce<float>(x, lanes, memories);
}

}  // namespace acalsim
