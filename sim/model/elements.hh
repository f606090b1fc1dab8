// SPDX-License-Identifier: Apache-2.0
// Elements of an operand as the numbers that the vector unit computes with: float or int64.
#pragma once

#include <cstdint>
#include <vector>

#include "model/host.hh"
#include "model/operand.hh"

namespace acalsim {

// Reads an operand row after row of n elements, in the order planes, rows, m.
template <class Number>
class Reader {
public:
    Reader(const Operand& operand, const Memories& memories);

    std::uint64_t size() const { return operand_.counts[3]; }  // of a row
    void next(Number* row);

private:
    const Operand operand_;
    const std::uint8_t* const first_;
    std::array<std::uint64_t, 3> place_{};
};

// Takes the numbers of an operand in that order. They are in its memory after write().
template <class Number>
class Writer {
public:
    // The command's flags say whether floats are multiplied by its `high` first, and whether they
    // become the nearest int8 instead of the next one towards zero.
    Writer(const Operand& operand, const DeviceCommand& command);

    void append(const Number* numbers, std::size_t count);
    void write(const Memories& memories) const;

private:
    const Operand operand_;
    const bool rounds_, scales_;
    const float scale_;
    std::vector<Number> scaled_;
    Bytes bytes_;
};

}  // namespace acalsim
