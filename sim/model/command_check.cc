// SPDX-License-Identifier: Apache-2.0
// Which commands are refused, and with which error code. All that a command touches is in its
// fields, so that a list can be checked before any of it is executed.
#include "model/command.hh"
#include "model/function.hh"
#include "model/operand.hh"
#include "model/uses.hh"
#include "tables.h"

namespace acalsim {

namespace {

struct Code {
    std::uint32_t code, types, operands;
    bool needs_lanes;
};

constexpr Code kCodes[] = {
#define ROW(code, types, operands, needs_lanes) {code, types, operands, needs_lanes != 0},
    ACALSIM_COMMANDS(ROW)
#undef ROW
};

struct Flag {
    std::uint32_t bit, commands, needs, excludes, types;
    bool needs_lanes;
};

constexpr Flag kFlags[] = {
#define ROW(bit, commands, needs, excludes, types, needs_lanes) \
    {bit, commands, needs, excludes, types, needs_lanes != 0},
    ACALSIM_COMMAND_FLAGS(ROW)
#undef ROW
};

// Types that the command takes where one of its flags has a say in that, else those of its code.
std::uint32_t types_taken(const DeviceCommand& x, std::uint32_t of_code) {
    for (const Flag& row : kFlags) {
        if (x.flags & row.bit && row.types) return row.types;
    }
    return of_code;
}

bool takes_types(const DeviceCommand& x, const Limits& limits) {
    for (const Code& row : kCodes) {
        if (x.code != row.code) continue;
        if (row.needs_lanes && !limits.has_lanes) return false;
        std::uint32_t types = types_taken(x, row.types);
        if (x.code == COMMAND_MATMUL) types &= limits.product_types;
        for (std::uint32_t operand = 0; operand < row.operands; ++operand) {
            if (!(types & 1u << type_of(x, operand))) return false;
        }
        return !(x.type >> row.operands * COMMAND_TYPE_BITS);
    }
    return false;
}

bool takes_flags(const DeviceCommand& x, const Limits& limits) {
    std::uint32_t unknown = x.flags;
    for (const Flag& row : kFlags) {
        if (!(x.flags & row.bit)) continue;
        if (!(row.commands & 1u << x.code) || ~x.flags & row.needs || x.flags & row.excludes)
            return false;
        if (row.needs_lanes && !limits.has_lanes) return false;
        unknown &= ~row.bit;
    }
    return !unknown;
}

// Whether it computes a function: then that is one for this command, with these flags.
bool takes_function(const DeviceCommand& x) {
    if (!computes_function(x)) return true;
    const Function* function = find_function(x.k);
    return function && function->commands & 1u << x.code && !(x.flags & function->refused);
}

// What rounds and saturates is int8.
bool rounds_to_int8(const DeviceCommand& x) {
    return !(x.flags & FLAG_ROUND) || type_of(x, 2) == TYPE_INT8;
}

bool aligned(std::initializer_list<std::uint64_t> values, std::uint64_t unit) {
    for (const std::uint64_t value : values) {
        if (value % unit) return false;
    }
    return true;
}

// LOAD and SAVE move bytes, wherever they are; the others move elements.
bool is_aligned(const DeviceCommand& x) {
    const std::uint64_t unit = operand_bytes(x);
    if (x.code == COMMAND_LOAD) return !gathers(x) || x.b % index_bytes(x) == 0;
    if (x.code == COMMAND_SAVE) return true;
    if (!aligned({x.c, x.c_row_stride}, kSumBytes)) return false;
    if (x.code == COMMAND_MATMUL) {
        return aligned(
            {x.a, x.a_outer_stride, x.a_inner_stride, x.a_k_outer_stride, x.a_k_middle_stride,
             x.a_k_inner_stride, x.b, x.b_outer_stride, x.b_inner_stride, x.b_k_outer_stride,
             x.b_k_middle_stride, x.b_k_inner_stride},
            unit);
    }
    if (x.flags & FLAG_RESIDUAL &&
        !aligned({x.a, x.a_outer_stride, x.a_inner_stride}, residual_bytes(x)))
        return false;
    if (vector_bytes(x) && !aligned({x.b}, kSumBytes)) return false;
    return aligned({x.dram, x.dram_plane_stride, x.dram_row_stride, x.row_bytes}, unit);
}

// Rows that begin where the one before them begins.
bool stands_still(const Block& tile) {
    return (tile.rows > 1 && !tile.row_stride) || (tile.planes > 1 && !tile.plane_stride);
}

// That a STORE makes of a row of C.
std::uint64_t elements_of_a_row(const DeviceCommand& x) {
    if (!(x.flags & FLAG_POOL)) return x.n;
    const Pooling pooling = pooling_of(x);
    return pooling.out_rows * pooling.out_columns;
}

bool sizes_make_sense(const DeviceCommand& x) {
    const Block tile = scratchpad_tile(x);
    if (gathers(x) && !x.c) return false;
    if (x.code == COMMAND_LOAD) return tile.rows && tile.row_bytes && !stands_still(tile);
    if (x.code == COMMAND_SAVE) return dram_bytes(x) && !stands_still(dram_tile(x));
    if (!x.m || !x.n || (x.m > 1 && !x.c_row_stride)) return false;
    if (x.code == COMMAND_MATMUL) {
        return x.k && !a_rows(x).stands_still() && !a_columns(x).stands_still() &&
               !b_rows(x).stands_still() && !b_columns(x).stands_still();
    }
    return dram_bytes(x) && dram_bytes(x) == x.m * elements_of_a_row(x) * operand_bytes(x) &&
           !stands_still(dram_tile(x)) && !(x.flags & FLAG_RESIDUAL && stands_still(tile));
}

// Bytes of the scratchpad that a STORE or SAVE of this device may write there, of its own where it
// has lanes; 0 where it may none.
std::uint64_t room_at(std::uint64_t base, const Limits& limits) {
    if (base == limits.own_base) return limits.has_lanes ? limits.scratchpad_bytes : 0;
    const auto found = limits.peers.find(base);
    return found == limits.peers.end() ? 0 : found->second;
}

bool reaches(const DeviceCommand& x, const Limits& limits) {
    if (x.code == COMMAND_SIGNAL) return limits.peers.count(peer_base(x.dram));
    if (!dram_bytes(x)) return true;
    const std::uint64_t extent = dram_extent(x);
    if (!is_peer(x.dram)) return limits.ram.contains(x.dram, extent);
    const bool is_own = peer_base(x.dram) == limits.own_base;
    if (x.code == COMMAND_LOAD && (!is_own || gathers(x))) return false;
    const std::uint64_t room = room_at(peer_base(x.dram), limits);
    return extent <= room && peer_offset(x.dram) <= room - extent;
}

// Rows and planes that lie over each other, so often that there is no room for all of them side by
// side where they go: each would be transferred and held, terabytes at worst, to be overwritten.
bool overlaps_itself(const DeviceCommand& x, const Limits& limits) {
    const bool loads = x.code == COMMAND_LOAD;
    if (x.code == COMMAND_MATMUL) return false;
    const Block tile = loads ? scratchpad_tile(x) : dram_tile(x);
    std::uint64_t room = loads ? limits.scratchpad_bytes : limits.ram.size_bytes;
    if (!loads && is_peer(x.dram)) room = room_at(peer_base(x.dram), limits);
    return tile.row_bytes > room / (tile.planes * tile.rows);
}

std::uint32_t check_memories(const DeviceCommand& x, const Limits& limits) {
    bool fits[] = {true, true};
    for (const Use& use : uses_of(x, 0)) {
        const bool sums = use.memory == Memory::accumulator;
        if (use.end > (sums ? limits.accumulator_bytes : limits.scratchpad_bytes))
            fits[sums] = false;
    }
    if (!fits[0]) return ERROR_SCRATCHPAD;
    return fits[1] ? ERROR_NONE : ERROR_ACCUMULATOR;
}

}  // namespace

std::uint32_t check_command(const DeviceCommand& x, const Limits& limits) {
    if (!takes_types(x, limits) || !takes_flags(x, limits) || !takes_function(x) ||
        !rounds_to_int8(x))
        return ERROR_COMMAND;
    if (x.code == COMMAND_NOP || x.code == COMMAND_SYNC || x.code == COMMAND_OP) return ERROR_NONE;
    if (x.code == COMMAND_AWAIT) return x.m ? ERROR_NONE : ERROR_SIZE;
    if (x.code == COMMAND_SIGNAL) return reaches(x, limits) ? ERROR_NONE : ERROR_ADDRESS;
    if (is_vector(x)) {
        const std::uint32_t error = check_operands(x, limits);
        return error ? error : check_memories(x, limits);
    }
    if (!is_aligned(x)) return ERROR_ALIGNMENT;
    if (!sizes_make_sense(x)) return ERROR_SIZE;
    if (x.code != COMMAND_MATMUL && !reaches(x, limits)) return ERROR_ADDRESS;
    if (const std::uint32_t error = check_memories(x, limits)) return error;
    return overlaps_itself(x, limits) ? ERROR_SIZE : ERROR_NONE;
}

}  // namespace acalsim
