// SPDX-License-Identifier: Apache-2.0
// What happened when, for whoever looks at it afterwards: accesses of the CPU, transfers of DMA,
// and the commands of each unit. Nothing here takes time or changes what happens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/host.hh"

namespace acalsim {

// Who a span belongs to, within its device. Units follow, in their own order.
enum : std::uint8_t { kAccessTrack, kTransferTrack, kUnitTrack };

// What an access or a transfer does.
enum : std::uint16_t { kReads, kWrites, kSleeps };

// What a span of a unit is that is no command: all of an own device's work, from START to its end,
// the `index`th.
constexpr std::uint16_t kWork = 0xFFFF;

// From the cycle `begin` until the cycle `end`. Of an access: its address, what was read or
// written, and in `index` the account of the CPU. Of a transfer: where in RAM. Of a command, whose
// code is `code`: its place in the list at `value`; of a tile in RAM its address, and as m, n and k
// its planes, its rows and the bytes of a row; `op` is which of its list's it counts for. It reads
// and writes so many bytes of the device's memories, and computes so many elements that are no
// multiply-accumulates.
struct Span {
    Cycle begin, end;
    std::uint64_t bytes, address, value;
    std::uint64_t scratchpad_bytes, accumulator_bytes, elements, special_elements;
    std::uint8_t track, type;
    std::uint16_t code;
    std::uint32_t op, index, m, n, k;
};
static_assert(sizeof(Span) == 96, "files have them one behind the other");

class SpanLog {
public:
    // Those that come when there are so many already are only counted.
    static constexpr std::size_t kMostSpans = 1 << 20;

    void add(const Span& span) {
        spans_.size() < kMostSpans ? spans_.push_back(span) : void(++left_out_);
    }

    const std::vector<Span>& spans() const { return spans_; }
    std::uint64_t left_out() const { return left_out_; }

    // What such a log's spans and its count were, from elsewhere.
    static SpanLog of(const Bytes& spans, std::uint64_t left_out);
    Bytes bytes() const;

private:
    std::vector<Span> spans_;
    std::uint64_t left_out_ = 0;
};

// A log, and whose: its name, and the base address of a device.
struct LoggedBy {
    std::string name;
    std::uint64_t base;
    const SpanLog* log;
};

// All of a file: a line of JSON that says what follows, then the spans of each.
std::string span_file(const std::vector<LoggedBy>& all);

}  // namespace acalsim
