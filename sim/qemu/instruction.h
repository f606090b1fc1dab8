/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the timing and the memory traffic of one RV64GC(V) instruction depend on. */
#ifndef SST_INSTRUCTION_H
#define SST_INSTRUCTION_H

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

/* How long a vector instruction keeps the vector unit. `vector_fields` says the rest, and so does
 * `access_bytes` where elements have a size of their own. */
enum vector_work {
    WORK_NONE,      /* no vector instruction */
    WORK_ONE,       /* a scalar, a mask: one cycle */
    WORK_GROUP,     /* all elements, as many a cycle as the datapath is wide */
    WORK_WIDE,      /* the same with elements of twice SEW on one side */
    WORK_DIVIDE,    /* the same, each datapath-wide part as slow as a scalar divide or root */
    WORK_ELEMENTS,  /* an element a cycle: strided, indexed, gather, ordered sum */
    WORK_REGISTERS, /* `vector_fields` whole registers, whatever vtype says */
};

/* What a vsetvli or vsetivli says. */
enum { LENGTH_KEPT = -1, LENGTH_UNKNOWN = -2 };
struct vector_setting {
    bool is_set;
    uint8_t element_bits; /* SEW; 0 where the instruction does not say (vsetvl) */
    int8_t group_log2;    /* of LMUL, -3 to 3 */
    int8_t length;        /* vl asked for, if it is in the instruction, or LENGTH_... */
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
    uint8_t vector_work;            /* enum vector_work */
    uint8_t vector_fields;          /* of a segment access, or whole registers; else 1 */
    bool reduces;                   /* its result is there only when all elements went through */
    struct vector_setting setting;
};

/* Bytes of the instruction that begins with `word`. */
static inline unsigned instruction_length(uint32_t word) { return (word & 3) == 3 ? 4 : 2; }

/* Whether it loads or stores, and whether by scalar or by vector. */
static inline bool instruction_reads(const struct instruction *instruction) {
    return instruction->reads || instruction->vector_read;
}
static inline bool instruction_writes(const struct instruction *instruction) {
    return instruction->writes || instruction->vector_write;
}

#endif
