/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One RV64GC(V) instruction word in; out comes what its timing and its memory traffic depend on. */
#ifndef SST_DECODE_H
#define SST_DECODE_H

#include <stdbool.h>
#include <stdint.h>

#include "registers.h"

enum latency_class {
#define X(name) CLASS_##name,
    LATENCY_CLASSES(X)
#undef X
        LATENCY_CLASS_COUNT
};

/* Register numbers: x0..x31, then f0..f31, then v0..v31. x0 is never waited for. */
enum { X0 = 0, F0 = 32, V0 = 64, REGISTER_COUNT = 96, NO_REGISTER = -1 };

enum flow {
    FLOW_NEXT,     /* goes on behind itself */
    FLOW_BRANCH,   /* conditional, to `offset` */
    FLOW_JUMP,     /* always, to `offset` */
    FLOW_INDIRECT, /* always, to where a register points, or out of the program */
};

struct instruction {
    uint32_t word;
    uint8_t length;        /* bytes: 2 or 4 */
    uint8_t latency_class; /* enum latency_class */
    uint8_t flow;          /* enum flow */
    bool holds;            /* keeps the core for its whole latency: nothing overlaps with it */
    uint8_t reads, writes; /* scalar memory accesses, 0 or 1 each */
    uint8_t access_bytes;  /* of one access; 0 where only the running program knows (indexed) */
    bool vector_read, vector_write; /* memory accesses, one an element */
    int8_t destination, sources[3]; /* register numbers or NO_REGISTER */
    int32_t offset;                 /* of a branch or jump, relative to the instruction */
};

/* Bytes of the instruction that begins with `word`. */
static inline unsigned instruction_length(uint32_t word) { return (word & 3) == 3 ? 4 : 2; }

void decode(uint32_t word, struct instruction *out);

#endif
