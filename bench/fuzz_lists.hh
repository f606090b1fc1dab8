// SPDX-License-Identifier: Apache-2.0
// Random machines and command lists: legal ones, and such with a few fields spoilt.
#pragma once

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "model/command.hh"
#include "model/function.hh"
#include "tables.h"

namespace acalsim {

namespace {

constexpr std::uint64_t kRamBytes = 0x20000, kListBytes = 0x2000, kPeerBase = 0x10400000;
constexpr int kListsOfARound = 32, kMostCommands = 10;
constexpr std::uint16_t kProductTypes[] = {TYPE_FLOAT32, TYPE_INT8, TYPE_BFLOAT16, TYPE_FLOAT16};
constexpr int kTries = 20;                    // until a command is legal
constexpr std::uint64_t kMostWork = 1 << 15;  // multiplications or elements of a command

[[noreturn]] void fail(std::uint64_t seed, const char* format, ...) {
    std::fprintf(stderr, "round with seed %llu: ", static_cast<unsigned long long>(seed));
    va_list values;
    va_start(values, format);
    std::vfprintf(stderr, format, values);
    va_end(values);
    std::fputc('\n', stderr);
    std::abort();
}

class Random {
public:
    explicit Random(std::uint64_t seed) : engine_(seed) {}
    std::uint64_t any() { return engine_(); }
    std::uint64_t below(std::uint64_t count) { return engine_() % count; }
    std::uint64_t between(std::uint64_t first, std::uint64_t last) {
        return first + below(last - first + 1);
    }
    bool once_in(std::uint64_t count) { return below(count) == 0; }
    template <class Value, std::size_t count>
    Value of(const Value (&values)[count]) {
        return values[below(count)];
    }

private:
    std::mt19937_64 engine_;
};

// --- Machines ---

struct Sizes {
    std::uint64_t scratchpad, accumulator, lanes;
    std::uint32_t types;  // that the array multiplies
};

Parameters parameters(Random& random, Sizes& sizes) {
    const std::uint64_t lanes[] = {0, 1, 3, 8, 16}, memories[] = {64, 0x1000, 0x8000, 0x8000};
    sizes = {random.of(memories), random.of(memories), random.of(lanes),
             1u << TYPE_FLOAT32 | 1u << TYPE_INT8 | 1u << TYPE_BFLOAT16 | 1u << TYPE_FLOAT16};
    if (random.once_in(4)) sizes.types = 1u << TYPE_INT8;
    Parameters all;
#define ROW(name, otherwise, text) all[#name] = otherwise;
    ACALSIM_COMPUTE_PARAMETERS(ROW)
#undef ROW
    for (const char* key : {"rows", "columns"}) all[key] = random.between(1, 9);
    for (const char* key : {"load_queue_depth", "compute_queue_depth", "store_queue_depth",
                            "vector_queue_depth", "scratchpad_bytes_per_cycle"})
        all[key] = random.between(1, 8);
    for (const char* key : {"int8_rate", "bfloat16_rate", "float16_rate"})
        all[key] = random.between(1, 4);
    all["types"] = 0;
    for (std::uint32_t place = 0; place < std::size(kProductTypes); ++place)
        if (sizes.types >> kProductTypes[place] & 1) all["types"] |= 1u << place;
    all["dataflow"] = random.below(2);
    all["overlap"] = random.below(3);
    all["scratchpad_bytes"] = sizes.scratchpad;
    all["accumulator_bytes"] = sizes.accumulator;
    all["lanes"] = sizes.lanes;
    all["special_lanes"] = sizes.lanes % 2 ? sizes.lanes : sizes.lanes / 2;
    for (const char* key : {"load_conflict_percent", "store_conflict_percent", "start_cycles"})
        all[key] = random.below(3) * 50;
    all["vector_bytes_per_cycle"] = random.below(3) * 8;
    all["list_buffer_bytes"] = random.below(3) * 2 * sizeof(DeviceCommand);
    return all;
}

// --- Commands ---

class Writer {
public:
    // Spoils some of its commands, or none.
    Writer(Random& random, const Sizes& sizes, bool spoils)
        : random_(random), sizes_(sizes), spoils_(spoils) {}

    DeviceCommand command() {
        DeviceCommand x{};
        const std::uint16_t codes[] = {
            COMMAND_NOP,    COMMAND_LOAD, COMMAND_LOAD,   COMMAND_MATMUL, COMMAND_STORE,
            COMMAND_STORE,  COMMAND_SYNC, COMMAND_SIGNAL, COMMAND_VECTOR, COMMAND_VECTOR,
            COMMAND_REDUCE, COMMAND_ROWS, COMMAND_POOL,   COMMAND_SAVE,   COMMAND_OP};
        int tries = kTries;
        do {
            x = {};
            x.code = random_.of(codes);
            write(x);
        } while (--tries && check_command(x, limits()));
        for (std::uint64_t spoils = spoils_ ? random_.below(3) : 0; spoils > 0; --spoils) spoil(x);
        bound(x);
        return x;
    }

private:
    Limits limits() const {
        return {{RAM_ORIGIN, kRamBytes},
                sizes_.scratchpad,
                sizes_.accumulator,
                {{kPeerBase, sizes_.scratchpad}},
                own(),
                sizes_.lanes > 0,
                sizes_.types};
    }

    std::uint64_t size() { return random_.once_in(4) ? 1 : random_.between(1, 9); }
    std::uint32_t place(std::uint64_t room, std::uint64_t unit = 4) {
        return std::uint32_t(random_.below(std::max<std::uint64_t>(room / 2, unit)) / unit * unit);
    }
    std::uint64_t in_ram() {
        return RAM_ORIGIN + kListBytes + random_.below(kRamBytes / 2) / 8 * 8;
    }

    void write(DeviceCommand& x) {
        switch (x.code) {
            case COMMAND_LOAD:
                return load(x);
            case COMMAND_MATMUL:
                return product(x);
            case COMMAND_STORE:
                return store(x);
            case COMMAND_SAVE:
                return save(x);
            case COMMAND_VECTOR:
            case COMMAND_REDUCE:
            case COMMAND_ROWS:
                return strided(x);
            case COMMAND_POOL:
                return pool(x);
            default:
                x.m = std::uint16_t(random_.below(4));
                x.dram = kPeerBase << 32;
        }
    }

    // Rows in RAM, with gaps or without, and where the scratchpad has them.
    void tile(DeviceCommand& x, std::uint64_t item) {
        x.planes = std::uint16_t(random_.below(3));
        x.rows = std::uint16_t(size());
        x.row_bytes = std::uint32_t(size() * item);
        x.dram_row_stride = std::uint32_t(x.row_bytes + random_.below(2) * 8);
        x.dram_plane_stride = x.dram_row_stride * x.rows;
        x.dram = in_ram();
        if (random_.once_in(6))
            x.dram = std::uint64_t(random_.once_in(2) ? own() : kPeerBase) << 32;
    }

    static std::uint64_t own() { return COMPUTE_DEFAULT_BASE; }

    void load(DeviceCommand& x) {
        tile(x, 4);
        x.a = place(sizes_.scratchpad, 1);
        if (random_.once_in(3)) {
            x.pad_top = std::uint16_t(random_.below(3));
            x.pad_bottom = std::uint16_t(random_.below(3));
            x.pad_left = std::uint16_t(random_.below(9));
            x.pad_right = std::uint16_t(random_.below(9));
        }
        x.a_inner_stride = x.row_bytes + x.pad_left + x.pad_right;
        x.a_outer_stride = x.a_inner_stride * (x.rows + x.pad_top + x.pad_bottom);
        if (!random_.once_in(4)) return;
        x.flags |= FLAG_GATHER;
        x.type = random_.once_in(2) ? TYPE_INT32 : TYPE_INT64;
        x.b = place(sizes_.scratchpad, 8);
        x.c = std::uint32_t(random_.between(1, 64));
    }

    void product(DeviceCommand& x) {
        x.type = random_.of(kProductTypes);
        const std::uint32_t item = bytes_of(x, 0);
        x.flags = random_.once_in(2) ? FLAG_ACCUMULATE : 0;
        x.m = std::uint16_t(size()), x.n = std::uint16_t(size()), x.k = std::uint16_t(size());
        x.a = place(sizes_.scratchpad), x.b = place(sizes_.scratchpad);
        x.c = place(sizes_.accumulator);
        x.c_row_stride = 4u * x.n;
        x.a_inner_stride = x.k * item, x.a_k_inner_stride = item;
        x.b_inner_stride = item, x.b_k_inner_stride = x.n * item;
        if (random_.once_in(2)) return;
        x.m_inner = std::uint16_t(size()), x.n_inner = std::uint16_t(size());
        x.k_inner = std::uint16_t(size()), x.k_middle = std::uint16_t(random_.below(4));
        x.a_outer_stride = x.b_outer_stride = 3 * item;
        x.a_k_middle_stride = x.b_k_middle_stride = 2 * item;
        x.a_k_outer_stride = x.b_k_outer_stride = 5 * item;
    }

    // C[m, n] as a tile of as many elements.
    void store(DeviceCommand& x) {
        x.type = random_.of(kProductTypes);
        const std::uint32_t item = bytes_of(x, 0);
        tile(x, item);
        const std::uint64_t columns = x.row_bytes / item;
        x.m = std::uint16_t((x.planes ? x.planes : 1) * x.rows), x.n = std::uint16_t(columns);
        x.c = place(sizes_.accumulator), x.c_row_stride = 4u * x.n;
        x.a = place(sizes_.scratchpad), x.b = place(sizes_.scratchpad);
        x.a_inner_stride = std::uint32_t(4 * columns), x.a_outer_stride = x.a_inner_stride * x.rows;
        x.scale = 0.5f, x.low = -1.0f, x.high = 2.0f, x.residual_scale = 0.25f;
        x.k = std::uint16_t(random_.between(FUNCTION_RECIPROCAL, FUNCTION_COS));
        flags(x);
        if (!(x.flags & FLAG_POOL)) return;
        x.n_inner = x.n;  // one row a plane
        x.k_middle = 1, x.k_inner = 1, x.pool_stride = 1;
    }

    void save(DeviceCommand& x) {
        tile(x, 1);
        x.a = place(std::min(sizes_.scratchpad, sizes_.accumulator), 1);
        x.a_inner_stride = x.row_bytes, x.a_outer_stride = x.row_bytes * x.rows;
        x.flags = random_.once_in(2) ? FLAG_A_SUMS : 0;
    }

    void strided(DeviceCommand& x) {
        function(x);
        types(x);
        x.planes = std::uint16_t(random_.below(3)), x.rows = std::uint16_t(random_.below(4));
        x.m = std::uint16_t(size()), x.n = std::uint16_t(size());
        x.a = place(sizes_.scratchpad, 8), x.b = place(sizes_.scratchpad, 8);
        x.c = place(sizes_.scratchpad, 8);
        const std::uint32_t a = bytes_of(x, 0), b = bytes_of(x, 1), c = bytes_of(x, 2);
        const std::uint32_t n = x.n, m = x.m, rows = std::max<std::uint32_t>(x.rows, 1);
        x.a_k_inner_stride = a, x.a_k_outer_stride = a * n;
        x.a_inner_stride = a * n * m, x.a_outer_stride = a * n * m * rows;
        if (!random_.once_in(3)) {  // else B is one number, again and again
            x.b_k_inner_stride = b, x.b_k_outer_stride = b * n;
            x.b_inner_stride = b * n * m, x.b_outer_stride = b * n * m * rows;
        }
        const std::uint32_t last = x.code == COMMAND_REDUCE ? 1 : n;
        x.c_row_stride = c * last, x.dram_row_stride = c * last * m;
        x.dram_plane_stride = c * last * m * rows;
        x.scale = 1.5f, x.low = 1e-5f;
        flags(x);
    }

    void pool(DeviceCommand& x) {
        function(x);
        types(x);
        x.planes = std::uint16_t(random_.below(3));
        x.m = std::uint16_t(size()), x.n = std::uint16_t(size());
        x.k_middle = std::uint16_t(size()), x.k_inner = std::uint16_t(size());
        x.pool_stride = std::uint16_t(random_.between(1, 3));
        if (random_.once_in(2)) {
            x.pad_top = x.pad_bottom = std::uint16_t(random_.below(x.k_middle));
            x.pad_left = x.pad_right = std::uint16_t(random_.below(x.k_inner));
        }
        x.a = place(sizes_.scratchpad, 8), x.c = place(sizes_.scratchpad, 8);
        x.a_inner_stride = x.n * bytes_of(x, 0), x.a_outer_stride = x.a_inner_stride * x.m;
        const Pooling pooling = pooling_of(x);
        x.c_row_stride = std::uint32_t(pooling.out_columns) * bytes_of(x, 2);
        x.dram_plane_stride = x.c_row_stride * std::uint32_t(pooling.out_rows);
        x.scale = 0.1f;
        flags(x);
    }

    void function(DeviceCommand& x) {
        static const std::uint16_t all[] = {
#define ROW(name, commands, operands, special, refused) name,
            ACALSIM_FUNCTIONS(ROW)
#undef ROW
        };
        do x.k = random_.of(all);
        while (!(find_function(x.k)->commands & 1u << x.code));
    }

    void types(DeviceCommand& x) {
        for (int operand = 0; operand < 3; ++operand)
            x.type |= std::uint16_t(random_.below(6) << operand * COMMAND_TYPE_BITS);
        if (random_.once_in(2)) x.type = TYPE_FLOAT32;
    }

    static std::uint32_t bytes_of(const DeviceCommand& x, std::uint32_t operand) {
        const std::uint32_t bytes[] = {4, 1, 4, 8, 1, 2};
        return bytes[type_of(x, operand) % 6];
    }

    // Up to three that the command takes; they may exclude each other.
    void flags(DeviceCommand& x) {
        static const std::uint32_t all[][2] = {
#define ROW(bit, commands, needs, excludes, types, needs_lanes) {bit, commands},
            ACALSIM_COMMAND_FLAGS(ROW)
#undef ROW
        };
        for (std::uint64_t tries = random_.below(4) * 4; tries > 0; --tries) {
            const auto& row = all[random_.below(std::size(all))];
            if (row[1] & 1u << x.code) x.flags |= row[0];
        }
        if (x.flags & FLAG_ROUND) x.type = std::uint16_t((x.type & 0xFF) | TYPE_INT8 << 8);
    }

    // Another value in two bytes of it: one that is near a border, or any.
    void spoil(DeviceCommand& x) {
        const std::uint16_t borders[] = {0,    1,    2,     3,      7,      0x7F,
                                         0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF};
        std::uint16_t word =
            random_.once_in(2) ? random_.of(borders) : std::uint16_t(random_.any());
        const std::size_t at = random_.below(sizeof x / sizeof word) * sizeof word;
        char* bytes = reinterpret_cast<char*>(&x) + at;
        if (random_.once_in(3)) {
            std::memcpy(&word, bytes, sizeof word);
            word ^= std::uint16_t(1u << random_.below(16));
        }
        std::memcpy(bytes, &word, sizeof word);
    }

    // A command may be legal and take hours; such are cut, and nobody waits for signals.
    static void bound(DeviceCommand& x) {
        if (x.code == COMMAND_AWAIT) x.m = 0;
        const bool multiplies = x.code == COMMAND_MATMUL;
        const auto at_least_one = [](std::uint64_t value) { return value ? value : 1; };
        const std::uint64_t work =
            at_least_one(x.m) * at_least_one(x.n) *
            (multiplies ? at_least_one(x.k) : at_least_one(x.planes) * at_least_one(x.rows));
        if (work <= kMostWork) return;
        x.m %= 16, x.n %= 16;
        if (multiplies) x.k %= 16;
        if (x.code >= COMMAND_VECTOR && x.code <= COMMAND_POOL) x.planes %= 8, x.rows %= 8;
    }

    Random& random_;
    const Sizes& sizes_;
    const bool spoils_;
};

}  // namespace

}  // namespace acalsim
