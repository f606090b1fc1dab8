/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cost.h"

#include <stdlib.h>
#include <string.h>

/* Passes of a loop before and during measurement. In-order issue settles within a few passes. It
 * may settle into a pattern that repeats only every n passes: n up to 6, 8, 10 or 12 divides the
 * measured ones. */
enum { SETTLING_PASSES = 40, MEASURED_PASSES = 120 };

/* Until a machine description says otherwise, every instruction takes one cycle. */
uint32_t latencies[LATENCY_CLASS_COUNT] = {
#define X(name) CLASS_##name == CLASS_branch_mispredict ? 0 : 1,
    LATENCY_CLASSES(X)
#undef X
};

unsigned find_latency_class(const char *name) {
    static const char *const names[LATENCY_CLASS_COUNT] = {
#define X(class_name) #class_name,
        LATENCY_CLASSES(X)
#undef X
    };
    unsigned index = 0;
    while (index < LATENCY_CLASS_COUNT && strcmp(names[index], name) != 0) index++;
    return index;
}

struct vector_unit vector_unit = {.vlen = 128, .datapath_bits = 128};

enum { UNSET_ELEMENT_BITS = 32 };

struct vector_shape vector_shape_unset(void) {
    return (struct vector_shape){
        .elements = vector_unit.vlen / UNSET_ELEMENT_BITS,
        .element_bits = UNSET_ELEMENT_BITS,
    };
}

/* The shape that a vsetvli, vsetivli or vsetvl makes of the one before. */
static struct vector_shape shape_set(struct vector_shape before, struct vector_setting setting) {
    if (setting.element_bits == 0) return vector_shape_unset();
    uint32_t most = (vector_unit.vlen << (setting.group_log2 + 3)) / setting.element_bits >> 3;
    uint32_t elements = most;
    if (setting.length == LENGTH_KEPT)
        elements = before.elements;
    else if (setting.length >= 0)
        elements = (uint32_t)setting.length;
    return (struct vector_shape){
        .elements = elements < most ? elements : most,
        .element_bits = setting.element_bits,
    };
}

struct scoreboard {
    uint64_t now;                   /* cycle in which the next instruction may issue */
    uint64_t vector_free;           /* cycle from which the vector unit is free */
    uint64_t ready[REGISTER_COUNT]; /* cycle from which a register can be read */
    struct vector_shape shape;
};

/* Cycles in which so many bits go through the datapath, at least one. */
static uint64_t datapath_cycles(uint64_t bits) {
    uint64_t cycles = (bits + vector_unit.datapath_bits - 1) / vector_unit.datapath_bits;
    return cycles ? cycles : 1;
}

static uint32_t divide_cycles(struct vector_shape shape, const struct instruction *instruction) {
    enum { OPCODE_FLOAT_FORMS = 1 }; /* OPFVV is 1, OPFVF 5: both end in 01 */
    bool is_float = (instruction->word >> 12 & 3) == OPCODE_FLOAT_FORMS;
    return latencies[!is_float                  ? CLASS_divide
                     : shape.element_bits == 64 ? CLASS_f64_divide
                                                : CLASS_f32_divide];
}

/* Cycles for which the instruction keeps the vector unit. */
static uint64_t vector_cycles(struct vector_shape shape, const struct instruction *instruction) {
    uint64_t fields = instruction->vector_fields, elements = shape.elements;
    uint64_t width =
        instruction->access_bytes ? instruction->access_bytes * 8u : shape.element_bits;
    switch (instruction->vector_work) {
        case WORK_GROUP:
            return datapath_cycles(elements * width * fields);
        case WORK_WIDE:
            return datapath_cycles(elements * width * 2);
        case WORK_DIVIDE:
            return datapath_cycles(elements * width) * divide_cycles(shape, instruction);
        case WORK_ELEMENTS:
            return elements * fields > 0 ? elements * fields : 1;
        case WORK_REGISTERS:
            return datapath_cycles(vector_unit.vlen * fields);
        default:
            return 1;
    }
}

static uint64_t sources_ready(const struct scoreboard *board,
                              const struct instruction *instruction) {
    uint64_t start = board->now;
    for (unsigned i = 0; i < 3; i++) {
        int source = instruction->sources[i];
        if (source != NO_REGISTER && board->ready[source] > start) start = board->ready[source];
    }
    return start;
}

/* Puts a vector instruction into its unit at `start`, or when that is free. Returns when it
 * started; `ready` is from when on its result can be used. */
static uint64_t start_vector(struct scoreboard *board, const struct instruction *instruction,
                             uint64_t start, uint64_t *ready) {
    uint64_t cycles = vector_cycles(board->shape, instruction);
    bool flows = instruction->vector_work != WORK_ELEMENTS &&
                 instruction->vector_work != WORK_DIVIDE && !instruction->reduces;
    if (board->vector_free > start) start = board->vector_free;
    board->vector_free = start + cycles;
    *ready = start + latencies[instruction->latency_class] + (flows ? 0 : cycles - 1);
    return start;
}

/* Issues one instruction. Returns the cycles that it took from its turn to the next one's. */
static uint64_t issue(struct scoreboard *board, const struct instruction *instruction) {
    uint64_t turn = board->now, start = sources_ready(board, instruction);
    uint32_t latency = latencies[instruction->latency_class];
    uint64_t ready = start + latency;
    if (instruction->vector_work != WORK_NONE)
        start = start_vector(board, instruction, start, &ready);
    if (instruction->setting.is_set) board->shape = shape_set(board->shape, instruction->setting);
    if (instruction->destination != NO_REGISTER) board->ready[instruction->destination] = ready;
    board->now = start + (instruction->holds ? latency : 1);
    return board->now - turn;
}

static struct vector_shape cost_once(const struct instruction *run, size_t count,
                                     struct vector_shape shape, uint32_t *costs) {
    struct scoreboard board = {.shape = shape};
    for (size_t i = 0; i < count; i++) costs[i] = (uint32_t)issue(&board, &run[i]);
    if (board.vector_free > board.now)
        costs[count - 1] += (uint32_t)(board.vector_free - board.now);
    return board.shape;
}

/* The average pass, rounded up. The running sum is what gets rounded, so that the costs add up to
 * it. */
static struct vector_shape cost_steady_state(const struct instruction *run, size_t count,
                                             struct vector_shape shape, uint32_t *costs) {
    struct scoreboard board = {.shape = shape};
    uint64_t *sums = calloc(count, sizeof *sums), running = 0, rounded = 0;
    for (unsigned pass = 0; pass < SETTLING_PASSES + MEASURED_PASSES; pass++)
        for (size_t i = 0; i < count; i++) {
            uint64_t cycles = issue(&board, &run[i]);
            sums[i] += pass < SETTLING_PASSES ? 0 : cycles;
        }
    for (size_t i = 0; i < count; i++) {
        running += sums[i];
        uint64_t next = (running + MEASURED_PASSES - 1) / MEASURED_PASSES;
        costs[i] = (uint32_t)(next - rounded);
        rounded = next;
    }
    free(sums);
    return board.shape;
}

/* Whether the run's last instruction goes back to its first. */
static bool run_loops(const struct instruction *run, size_t count) {
    const struct instruction *last = &run[count - 1];
    int64_t distance = 0;
    for (size_t i = 0; i + 1 < count; i++) distance += run[i].length;
    return (last->flow == FLOW_BRANCH || last->flow == FLOW_JUMP) && last->offset == -distance;
}

void cost_run(const struct instruction *run, size_t count, struct vector_shape *shape,
              uint32_t *costs) {
    *shape = run_loops(run, count) ? cost_steady_state(run, count, *shape, costs)
                                   : cost_once(run, count, *shape, costs);
}
