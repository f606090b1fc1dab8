// SPDX-License-Identifier: Apache-2.0
#include "model/command_span.hh"

#include <initializer_list>

#include "model/operand.hh"
#include "model/uses.hh"

namespace acalsim {

namespace {

std::uint64_t ceil_divide(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }

void touch(Span& span, Memory memory, std::uint64_t bytes) {
    if (memory == Memory::scratchpad) span.scratchpad_bytes += bytes;
    if (memory == Memory::accumulator) span.accumulator_bytes += bytes;
}

// Each strip of columns streams A anew and, where outputs stay, each strip of rows B. Where weights
// stay, each strip of K adds to sums that the one before has left.
void count_product(const DeviceCommand& x, const ArrayUnit& unit, Span& span) {
    const Array& array = unit.array();
    const bool weights_stay = array.dataflow == Dataflow::weight_stationary;
    const std::uint64_t b_times = weights_stay ? 1 : ceil_divide(x.m, array.rows);
    const std::uint64_t strips = weights_stay ? ceil_divide(unit.rates().steps(x), array.rows) : 1;
    const std::uint64_t a = std::uint64_t(x.m) * x.k * ceil_divide(x.n, array.columns);
    const std::uint64_t sums = std::uint64_t(x.m) * x.n;
    touch(span, Memory::scratchpad, operand_bytes(x) * (a + std::uint64_t(x.k) * x.n * b_times));
    const std::uint64_t times = 2 * strips - 1 + ((x.flags & FLAG_ACCUMULATE) != 0);
    touch(span, Memory::accumulator, kSumBytes * sums * times);
}

// Each operand once.
void count_elements(const DeviceCommand& x, const VectorRates& rates, Span& span) {
    const Operands operands = operands_of(x);
    for (const Operand& each : {operands.a, operands.b.value_or(Operand{}), operands.c})
        touch(span, each.memory, each.elements() * (each.elements() ? each.element_bytes() : 0));
    const VectorWork work = work_of(x, rates);
    span.elements = work.elements;
    span.special_elements = work.special_elements;
}

void count_tile(const DeviceCommand& x, Span& span) {
    const Block tile = dram_tile(x);
    span.bytes = tile.bytes();
    span.address = x.dram;
    span.m = std::uint32_t(tile.planes);
    span.n = std::uint32_t(tile.rows);
    span.k = std::uint32_t(tile.row_bytes);
}

void count_store(const DeviceCommand& x, Span& span) {
    const std::uint64_t sums = std::uint64_t(x.m) * x.n;
    if (x.flags & FLAG_RESIDUAL) touch(span, Memory::scratchpad, scratchpad_tile(x).bytes());
    touch(span, Memory::scratchpad, vector_bytes(x));
    touch(span, Memory::accumulator, kSumBytes * sums);
    if (x.flags & FLAG_ACTIVATION) span.special_elements = sums;
}

}  // namespace

Span span_of(const Job& job, const Done& done, const ArrayUnit& array, const VectorRates& rates) {
    const DeviceCommand& x = job.command;
    Span span{};
    span.begin = job.begin;
    span.end = done.end;
    span.value = done.list;
    span.track = std::uint8_t(kUnitTrack + static_cast<std::uint8_t>(job.unit));
    span.op = job.op;
    span.index = std::uint32_t(job.index);
    span.code = x.code;
    span.type = std::uint8_t(type_of(x, 0));
    span.m = x.m;
    span.n = x.n;
    span.k = x.k;
    if (is_vector(x)) count_elements(x, rates, span);
    if (x.code == COMMAND_MATMUL) count_product(x, array, span);
    if (x.code == COMMAND_STORE) count_store(x, span);
    if (x.code == COMMAND_LOAD) touch(span, Memory::scratchpad, scratchpad_tile(x).bytes());
    if (x.code == COMMAND_SAVE) touch(span, uses_of(x, 0).front().memory, dram_bytes(x));
    if (x.code == COMMAND_LOAD || x.code == COMMAND_STORE || x.code == COMMAND_SAVE)
        count_tile(x, span);
    return span;
}

}  // namespace acalsim
