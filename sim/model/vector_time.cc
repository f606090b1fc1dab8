// SPDX-License-Identifier: Apache-2.0
#include "model/vector_time.hh"

#include <algorithm>
#include <stdexcept>

#include "model/function.hh"
#include "model/operand.hh"

namespace acalsim {

namespace {

std::uint64_t ceil_divide(std::uint64_t a, std::uint64_t b) { return a / b + (a % b != 0); }

// Of a balanced tree with so many leaves.
Cycle levels(std::uint64_t count) {
    Cycle depth = 0;
    while (depth < 63 && std::uint64_t(1) << depth < count) ++depth;
    return depth;
}

// From a row's last element to the sum of all lanes.
Cycle tree(std::uint64_t n, const VectorRates& rates) {
    return rates.latency * (1 + levels(std::min(rates.lanes, n)));
}

// Bytes of an element of each operand that is read, and of C, which some read as well.
std::uint64_t b_bytes(const Operands& operands) {
    return operands.b ? operands.b->element_bytes() : 0;
}
std::uint64_t c_bytes(const Operands& operands, bool also_reads) {
    return operands.c.element_bytes() * (also_reads ? 2 : 1);
}

VectorWork elementwise(const DeviceCommand& x, const Operands& operands, const VectorRates& rates) {
    const std::uint64_t count = operands.c.elements();
    const bool special = find_function(x.k)->special;
    const std::uint64_t bytes = count * (operands.a.element_bytes() + b_bytes(operands) +
                                         c_bytes(operands, x.k == FUNCTION_SELECT));
    const Cycle lanes = ceil_divide(count, special ? rates.special_lanes : rates.lanes);
    return {std::max(lanes, ceil_divide(bytes, rates.bytes_per_cycle)), special ? lanes : 0,
            special ? rates.special_latency : rates.latency, count, special ? count : 0};
}

// The trees are pipelined: a row begins when the one before has been taken in. Where they are not,
// the lanes wait for each.
VectorWork reduction(const DeviceCommand& x, const Operands& operands, const VectorRates& rates) {
    const std::uint64_t n = operands.a.counts[3], rows = operands.a.rows();
    const std::uint64_t bytes = rows * (n * (operands.a.element_bytes() + b_bytes(operands)) +
                                        c_bytes(operands, x.flags & FLAG_ACCUMULATE));
    const Cycle lanes = rows * (ceil_divide(n, rates.lanes) + rates.reduce);
    return {std::max(lanes, ceil_divide(bytes, rates.bytes_per_cycle)), 0, tree(n, rates), rows * n,
            0};
}

// Passes over each row, the rows one behind the other. Those of a softmax are: the maximum; powers
// and their sum, for which the special lanes work as well; the product with 1 / sum. Where the
// trees are not pipelined, neither are the passes.
VectorWork passes(const DeviceCommand& x, const Operands& operands, const VectorRates& rates) {
    const bool is_softmax = x.k != FUNCTION_LAYER_NORM && x.k != FUNCTION_RMS_NORM;
    const std::uint64_t n = operands.a.counts[3], rows = operands.a.rows();
    const Cycle pass = ceil_divide(n, rates.lanes), count = x.k == FUNCTION_RMS_NORM ? 2 : 3;
    const Cycle special = is_softmax ? ceil_divide(n, rates.special_lanes) : 0;
    const std::uint64_t bytes =
        n * (count * operands.a.element_bytes() + c_bytes(operands, false)) +
        (operands.b ? operands.b->counts[3] * b_bytes(operands) : 0);
    const Cycle port = ceil_divide(bytes, rates.bytes_per_cycle);
    Cycle row = std::max({count * pass, special, port});
    Cycle alone = (count - 1) * pass + std::max(pass, special);
    if (rates.reduce)
        row = alone = std::max(count * pass + special + (count - 1) * rates.reduce, port);
    return {(rows - 1) * row + std::max(row, alone), rows * special,
            (count - 1) * tree(n, rates) + rates.special_latency, rows * n,
            is_softmax ? rows * n : 0};
}

VectorWork windows(const DeviceCommand& x, const Operands& operands, const VectorRates& rates) {
    const std::uint64_t taps = std::uint64_t(x.k_middle) * x.k_inner;
    const std::uint64_t count = operands.c.elements();
    const std::uint64_t bytes =
        count * (taps * operands.a.element_bytes() + operands.c.element_bytes()) +
        (operands.b ? operands.b->elements() * operands.b->element_bytes() : 0);
    const Cycle lanes = ceil_divide(count * taps, rates.lanes);
    return {std::max(lanes, ceil_divide(bytes, rates.bytes_per_cycle)), 0, rates.latency,
            count * taps, 0};
}

}  // namespace

VectorRates::VectorRates(const Slot& slot)
    : lanes(slot.parameter("lanes")),
      special_lanes(slot.parameter("special_lanes")),
      latency(slot.parameter("vector_latency_cycles")),
      special_latency(slot.parameter("special_latency_cycles")),
      bytes_per_cycle(slot.parameter("vector_bytes_per_cycle")),
      reduce(slot.parameter("reduce_cycles")) {
    if (lanes && (!special_lanes || lanes % special_lanes))
        throw std::invalid_argument("device '" + slot.name + "': its parameter 'lanes' is " +
                                    std::to_string(lanes) + ", no multiple of " +
                                    std::to_string(special_lanes) + " special_lanes");
    if (!bytes_per_cycle) bytes_per_cycle = 3 * sizeof(float) * lanes;
}

VectorWork work_of(const DeviceCommand& x, const VectorRates& rates) {
    const Operands operands = operands_of(x);
    switch (x.code) {
        case COMMAND_REDUCE:
            return reduction(x, operands, rates);
        case COMMAND_ROWS:
            return passes(x, operands, rates);
        case COMMAND_POOL:
            return windows(x, operands, rates);
        default:
            return elementwise(x, operands, rates);
    }
}

}  // namespace acalsim
