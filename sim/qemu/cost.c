/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cost.h"

#include <stdlib.h>
#include <string.h>

/* Passes of a loop before and during measurement. In-order issue settles within a few passes; a
 * pattern that repeats only every n passes, n up to 6, 8, 10 or 12, divides the measured ones. */
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

struct scoreboard {
    uint64_t now;                   /* cycle in which the next instruction may issue */
    uint64_t ready[REGISTER_COUNT]; /* cycle from which a register can be read */
};

/* Issues one instruction; returns the cycles that it took from its turn to the next one's. */
static uint64_t issue(struct scoreboard *board, const struct instruction *instruction) {
    uint64_t turn = board->now, start = turn;
    uint32_t latency = latencies[instruction->latency_class];
    for (unsigned i = 0; i < 3; i++) {
        int source = instruction->sources[i];
        if (source != NO_REGISTER && board->ready[source] > start) start = board->ready[source];
    }
    if (instruction->destination != NO_REGISTER)
        board->ready[instruction->destination] = start + latency;
    board->now = start + (instruction->holds ? latency : 1);
    return board->now - turn;
}

static void cost_once(const struct instruction *run, size_t count, uint32_t *costs) {
    struct scoreboard board = {0};
    for (size_t i = 0; i < count; i++) costs[i] = (uint32_t)issue(&board, &run[i]);
}

/* The average pass, rounded up. The running sum is what gets rounded, so that the costs add up to
 * it. */
static void cost_steady_state(const struct instruction *run, size_t count, uint32_t *costs) {
    struct scoreboard board = {0};
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
}

/* Whether the run's last instruction goes back to its first. */
static bool run_loops(const struct instruction *run, size_t count) {
    const struct instruction *last = &run[count - 1];
    int64_t distance = 0;
    for (size_t i = 0; i + 1 < count; i++) distance += run[i].length;
    return (last->flow == FLOW_BRANCH || last->flow == FLOW_JUMP) && last->offset == -distance;
}

void cost_run(const struct instruction *run, size_t count, uint32_t *costs) {
    if (run_loops(run, count))
        cost_steady_state(run, count, costs);
    else
        cost_once(run, count, costs);
}
