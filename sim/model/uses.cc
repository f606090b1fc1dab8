// SPDX-License-Identifier: Apache-2.0
#include "model/uses.hh"

#include <algorithm>

#include "model/operand.hh"

namespace acalsim {

namespace {

std::uint64_t c_reach(const DeviceCommand& x) {
    return (x.m - 1) * std::uint64_t(x.c_row_stride) + x.n * kSumBytes;
}

// The furthest element of a matrix, plus its size.
std::uint64_t reach(const Walk& rows, const Walk& columns, std::uint64_t element_bytes) {
    const Offsets row = rows.offsets(), column = columns.offsets();
    return *std::max_element(row.begin(), row.end()) +
           *std::max_element(column.begin(), column.end()) + element_bytes;
}

std::uint64_t end_of(const Block& block) { return block.address + block.extent(); }

std::vector<Use> uses_of_product(const DeviceCommand& x) {
    const std::uint64_t a = reach(a_rows(x), a_columns(x), operand_bytes(x));
    const std::uint64_t b = reach(b_rows(x), b_columns(x), operand_bytes(x));
    return {{Memory::scratchpad, false, x.a, x.a + a},
            {Memory::scratchpad, false, x.b, x.b + b},
            {Memory::accumulator, true, x.c, x.c + c_reach(x)}};
}

std::vector<Use> uses_of_operands(const Operands& operands) {
    std::vector<Use> uses = {operands.a.use(false)};
    if (operands.b) uses.push_back(operands.b->use(false));
    uses.push_back(operands.c.use(true));
    return uses;
}

std::vector<Use> uses_of_load(const DeviceCommand& x) {
    std::vector<Use> uses = {{Memory::scratchpad, true, x.a, end_of(scratchpad_tile(x))}};
    const std::uint64_t indices = gathers(x) ? x.rows * index_bytes(x) : 0;
    if (indices) uses.push_back({Memory::scratchpad, false, x.b, x.b + indices});
    return uses;
}

// The range of the own scratchpad that `dram` names.
Use own_use(const DeviceCommand& x, bool writes) {
    const std::uint64_t begin = peer_offset(x.dram);
    return {Memory::scratchpad, writes, begin, begin + dram_extent(x)};
}

// STORE's and SAVE's, their target excepted.
std::vector<Use> sources_of(const DeviceCommand& x) {
    const Use tile{x.flags & FLAG_A_SUMS ? Memory::accumulator : Memory::scratchpad, false, x.a,
                   end_of(scratchpad_tile(x))};
    if (x.code == COMMAND_SAVE) return {tile};
    std::vector<Use> uses;
    if (x.flags & FLAG_RESIDUAL) uses.push_back(tile);
    if (vector_bytes(x)) uses.push_back({Memory::scratchpad, false, x.b, x.b + vector_bytes(x)});
    uses.push_back({Memory::accumulator, false, x.c, x.c + c_reach(x)});
    return uses;
}

bool leaves(const DeviceCommand& x) { return x.code == COMMAND_STORE || x.code == COMMAND_SAVE; }

}  // namespace

std::vector<Use> uses_of(const DeviceCommand& x, std::uint64_t own_base) {
    const bool is_own = is_peer(x.dram) && peer_base(x.dram) == own_base;
    if (x.code == COMMAND_LOAD) {
        std::vector<Use> uses = uses_of_load(x);
        if (is_own) uses.push_back(own_use(x, false));
        return uses;
    }
    if (x.code == COMMAND_MATMUL) return uses_of_product(x);
    if (is_vector(x)) return uses_of_operands(operands_of(x));
    if (!leaves(x)) return {};
    std::vector<Use> uses = sources_of(x);
    if (is_own) uses.push_back(own_use(x, true));
    return uses;
}

std::optional<Use> ram_use_of(const DeviceCommand& x) {
    if ((x.code != COMMAND_LOAD && !leaves(x)) || is_peer(x.dram) || !dram_bytes(x)) return {};
    return Use{Memory::ram, leaves(x), x.dram, x.dram + dram_extent(x)};
}

}  // namespace acalsim
