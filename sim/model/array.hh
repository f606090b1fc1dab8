// SPDX-License-Identifier: Apache-2.0
// Time of a systolic array, tile by tile and for whole matrix products. docs/timing.md has the
// closed formulas that follow from it.
#pragma once

#include <cstdint>

#include "model/host.hh"

namespace acalsim {

// What stays in the array while the other operands stream through: a tile of B, or of C.
enum class Dataflow { weight_stationary, output_stationary };

// How much of a tile's work may happen while the tile before it is still in the array: nothing;
// its load, once the tile before has no use for the registers; or, with a second set of registers,
// its load during the other's stream (weights), its stream during the other's unload (outputs).
enum class Overlap { serial, single_buffered, double_buffered };

struct Array {
    std::uint64_t rows;
    std::uint64_t columns;
    Dataflow dataflow = Dataflow::weight_stationary;
    Overlap overlap = Overlap::serial;
};

// C[m,n] = A[m,k] @ B[k,n], `tile_m` rows of A or C at a time (0: as the dataflow has it, see
// gemm_cycles).
struct Gemm {
    std::uint64_t m;
    std::uint64_t n;
    std::uint64_t k;
    std::uint64_t tile_m = 0;
};

// The in-order DMA channel that brings a tile's operands into one of `depth` buffers, one byte an
// element. bytes_per_cycle = 0: there is none, operands are always ready.
struct OperandFetch {
    std::uint64_t bytes_per_cycle = 0;
    Cycle latency_cycles = 0;
    std::uint64_t depth = 2;
};

// The cycles at which a tile's phases begin; a phase ends where the next may begin.
struct TileTimes {
    Cycle load;      // weights enter, a row a cycle (none to load where outputs stay)
    Cycle loaded;    // their buffer is free
    Cycle stream;    // the first streamed operands enter
    Cycle streamed;  // the last have entered, their buffer is free
    Cycle unload;    // outputs begin to leave, a row a cycle (where outputs stay)
    Cycle result;    // cycles until the last result was on the registered output, that one included
};

// One array at work on tile after tile, in the order of issue() calls.
class ArrayTimeline {
public:
    explicit ArrayTimeline(const Array& array);

    // A tile with `slots` cycles of streamed operands: rows of A where weights stay, K where
    // outputs do. The operands that are loaded (weights) and those that stream are not touched
    // before the cycles given. A ragged tile takes the time of a full one.
    TileTimes issue(Cycle slots, Cycle load_ready = 0, Cycle stream_ready = 0);

    // The array stands still for so many cycles from `now` on: a tile that is issued later comes so
    // much later, as far as it would have waited for another. Tiles issued before keep their times.
    void hold(Cycle now, Cycle cycles);

    // The cycles by which the last tile issued delays a next one that is always ready: two
    // timelines that agree in all three, each taken from the same moment, go on alike.
    Cycle registers_free() const { return registers_free_; }
    Cycle streamed() const { return streamed_; }
    Cycle unloaded() const { return unloaded_; }

private:
    Cycle free_after(const TileTimes& tile) const;

    const Array array_;
    const Cycle load_cycles_, unload_cycles_, skew_cycles_;
    Cycle registers_free_ = 0;  // the next tile may enter
    Cycle streamed_ = 0;        // the stream's way in is free
    Cycle unloaded_ = 0;        // the outputs' way out is free
};

// Cycles of a whole product on an array that does nothing else, from the first operand in (or, with
// a fetch, from the first byte asked for) to the last result out, both included.
//
// Columns are outermost, then chunks of tile_m rows, then K. Weight-stationary: a tile is
// rows x columns of B, a chunk is what streams through it, tile_m = 0 stands for m. Output-
// stationary: a tile is rows x columns of C, a chunk is cut into as many as it needs, each streams
// all of K, tile_m = 0 stands for rows. Throws std::overflow_error
// for sizes of more than 32 bits and where 63 bits cannot hold the cycles.
Cycle gemm_cycles(const Array& array, const Gemm& gemm, const OperandFetch& fetch = {});

}  // namespace acalsim
