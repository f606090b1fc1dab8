// SPDX-License-Identifier: Apache-2.0
#include "model/vector_values.hh"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "model/elements.hh"
#include "model/elementwise.hh"

namespace acalsim {

namespace {

// Of short rows, so many elements are computed at a time.
constexpr std::uint64_t kBatch = 4096;

// B, where a number takes its place.
template <class Number>
Number number_in(const DeviceCommand& x) {
    if constexpr (std::is_same_v<Number, float>) {
        return x.scale;
    } else {
        return std::int32_t(x.b);
    }
}

template <class Number>
void compute_in(const DeviceCommand& x, const Memories& memories) {
    const Operands operands = operands_of(x);
    const std::uint64_t n = operands.c.counts[3], rows = operands.c.rows();
    const std::uint64_t batch = std::clamp<std::uint64_t>(kBatch / n, 1, rows);
    Reader<Number> a_reader(operands.a, memories),
        b_reader(operands.b.value_or(operands.a), memories), c_reader(operands.c, memories);
    Writer<Number> writer(operands.c, x);
    std::vector<Number> a(batch * n), b(batch * n, number_in<Number>(x)), c(batch * n);
    for (std::uint64_t row = 0; row < rows; row += batch) {
        const std::uint64_t some = std::min(batch, rows - row);
        for (std::uint64_t i = 0; i < some; ++i) {
            a_reader.next(&a[i * n]);
            if (operands.b) b_reader.next(&b[i * n]);
            if (x.k == FUNCTION_SELECT) c_reader.next(&c[i * n]);
        }
        compute(x.k, a.data(), b.data(), c.data(), some * n);
        writer.append(c.data(), some * n);
    }
    writer.write(memories);
}

}  // namespace

void compute_elements(const DeviceCommand& x, const Memories& memories) {
    x.flags& FLAG_INTEGER ? compute_in<std::int64_t>(x, memories) : compute_in<float>(x, memories);
}

void compute_vector(const DeviceCommand& x, std::size_t lanes, const Memories& memories) {
    switch (x.code) {
        case COMMAND_VECTOR:
            return compute_elements(x, memories);
        case COMMAND_REDUCE:
            return compute_reduction(x, lanes, memories);
        case COMMAND_ROWS:
            return compute_rows(x, lanes, memories);
        case COMMAND_POOL:
            return compute_pool(x, memories);
    }
}

}  // namespace acalsim
