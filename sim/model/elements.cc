// SPDX-License-Identifier: Apache-2.0
#include "model/elements.hh"

#include <cstring>
#include <type_traits>

#include "kernels/rounding.h"
#include "model/halves.hh"

namespace acalsim {

namespace {

struct Bool {
    std::uint8_t byte;
};

// --- One element ---

template <class Number, class Element>
Number number_of(Element element) {
    if constexpr (std::is_same_v<Element, Bool>) {
        return Number(element.byte != 0);
    } else if constexpr (is_half<Element>) {
        return number_of<Number>(value_of(element));
    } else if constexpr (std::is_same_v<Element, float> && !std::is_same_v<Number, float>) {
        return whole_of(element);
    } else {
        return Number(element);
    }
}

// As the CPU's kernels convert: floats towards zero, int64 by their low bits.
template <class Element, class Number>
Element element_of(Number number) {
    constexpr bool is_float = std::is_same_v<Number, float>;
    if constexpr (std::is_same_v<Element, Bool>) {
        return {std::uint8_t(number != 0)};
    } else if constexpr (is_half<Element>) {
        return half_of<Element>(float(number));
    } else if constexpr (!is_float || std::is_same_v<Element, float>) {
        return Element(number);
    } else if constexpr (std::is_same_v<Element, std::int64_t>) {
        return whole_of(number);
    } else {
        return Element(whole_i32_of(number));
    }
}

// Calls `visit` with an element of that type.
template <class Visit>
void with_type(std::uint32_t type, Visit visit) {
    switch (type) {
        case TYPE_INT8:
            return visit(std::int8_t());
        case TYPE_INT32:
            return visit(std::int32_t());
        case TYPE_INT64:
            return visit(std::int64_t());
        case TYPE_BOOL:
            return visit(Bool());
        case TYPE_BFLOAT16:
            return visit(Bfloat16());
        case TYPE_FLOAT16:
            return visit(Float16());
        default:
            return visit(float());
    }
}

// --- A row of them ---

template <class Element, class Number>
void read_row(const std::uint8_t* from, std::uint64_t stride, std::size_t count, Number* row) {
    Element element;
    if (stride == sizeof(Element)) {
        for (std::size_t i = 0; i < count; ++i) {
            std::memcpy(&element, from + i * sizeof element, sizeof element);
            row[i] = number_of<Number>(element);
        }
        return;
    }
    for (std::size_t i = 0; i < count; ++i, from += stride) {
        std::memcpy(&element, from, sizeof element);
        row[i] = number_of<Number>(element);
    }
}

template <class Element, class Number>
void write_row(const Number* row, std::size_t count, std::uint8_t* to) {
    for (std::size_t i = 0; i < count; ++i) {
        const Element element = element_of<Element>(row[i]);
        std::memcpy(to + i * sizeof element, &element, sizeof element);
    }
}

// Steps to the row behind; false behind the last one.
bool step(const std::array<std::uint64_t, 4>& counts, std::array<std::uint64_t, 3>& place) {
    for (std::size_t i = place.size(); i-- > 0;) {
        if (++place[i] < counts[i]) return true;
        place[i] = 0;
    }
    return false;
}

std::uint64_t offset_of(const Operand& operand, const std::array<std::uint64_t, 3>& place) {
    return place[0] * operand.strides[0] + place[1] * operand.strides[1] +
           place[2] * operand.strides[2];
}

}  // namespace

template <class Number>
Reader<Number>::Reader(const Operand& operand, const Memories& memories)
    : operand_(operand), first_(memories[operand.memory].data() + operand.address) {}

template <class Number>
void Reader<Number>::next(Number* row) {
    const std::uint8_t* from = first_ + offset_of(operand_, place_);
    with_type(operand_.type, [&](auto element) {
        read_row<decltype(element)>(from, operand_.strides[3], size(), row);
    });
    step(operand_.counts, place_);
}

template <class Number>
Writer<Number>::Writer(const Operand& operand, const DeviceCommand& command)
    : operand_(operand),
      rounds_(command.flags & FLAG_ROUND),
      scales_(command.flags & FLAG_SCALE_RESULT),
      scale_(command.high) {
    bytes_.reserve(operand.elements() * operand.element_bytes());
}

template <class Number>
void Writer<Number>::append(const Number* numbers, std::size_t count) {
    const std::size_t end = bytes_.size();
    bytes_.resize(end + count * operand_.element_bytes());
    if constexpr (std::is_same_v<Number, float>) {
        if (scales_) {
            scaled_.resize(count);
            for (std::size_t i = 0; i < count; ++i) scaled_[i] = numbers[i] * scale_;
            numbers = scaled_.data();
        }
        if (rounds_) {
            for (std::size_t i = 0; i < count; ++i)
                bytes_[end + i] = std::uint8_t(quantise_i8(numbers[i]));
            return;
        }
    }
    with_type(operand_.type,
              [&](auto element) { write_row<decltype(element)>(numbers, count, &bytes_[end]); });
}

template <class Number>
void Writer<Number>::write(const Memories& memories) const {
    const std::uint64_t row_bytes = operand_.counts[3] * operand_.element_bytes();
    std::uint8_t* const first = memories[operand_.memory].data() + operand_.address;
    std::array<std::uint64_t, 3> place{};
    const std::uint8_t* from = bytes_.data();
    do {
        std::memcpy(first + offset_of(operand_, place), from, row_bytes);
        from += row_bytes;
    } while (step(operand_.counts, place));
}

template class Reader<float>;
template class Reader<std::int64_t>;
template class Writer<float>;
template class Writer<std::int64_t>;

}  // namespace acalsim
