/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ELF file given to -kernel: what each of its instructions costs and which functions are ops.
 *
 * Costs belong to addresses, not to QEMU's translation blocks. Those end at pages and other places
 * that no CPU knows of, and an instruction costs the same however the blocks around it are cut.
 * Basic blocks are found in the executable sections. They begin at functions, at targets of direct
 * jumps and branches, and behind every jump, branch, call and return.
 *
 * The core predicts backward branches as taken. An instruction right behind a backward conditional
 * branch is reached when that prediction failed. It carries the cost of that, branch_mispredict.
 *
 * Nothing here is an error: without a file, or for code that is not in it, callers do with less.
 */
#ifndef SST_PROGRAM_H
#define SST_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "instruction.h"

struct op {
    const char *symbol; /* without a compiler's suffix: op_x.constprop.0 is a part of op_x */
    uint64_t address;
};

/* Reads the file. Latencies must be known by then. */
void program_load(const char *path);

/* What a run of instructions at `address` costs. Code that is not in the file is costed as a basic
 * block of its own. */
uint64_t program_cycles(uint64_t address, const struct instruction *run, size_t count);

/* Decodes the file's instructions from `address` on: as many as there is code, at most `most`. */
size_t program_read(uint64_t address, struct instruction *run, size_t most);

/* Ops in address order. */
size_t program_op_count(void);
const struct op *program_op(size_t index);

/* Index of the op that is entered at `address`, or -1. */
int program_op_entered(uint64_t address);

/* Whether `address` is in a function that calls ops: main or graph_*_forward. */
bool program_is_caller(uint64_t address);

#endif
