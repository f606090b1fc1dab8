/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The fields of a 32-bit instruction word, and how a decoder writes down what it found in them. */
#ifndef SST_DECODE_FIELDS_H
#define SST_DECODE_FIELDS_H

#include "instruction.h"

/* Major opcodes, bits 6..0. */
enum {
    OPCODE_LOAD = 0x03,
    OPCODE_LOAD_FP = 0x07,
    OPCODE_FENCE = 0x0f,
    OPCODE_OP_IMM = 0x13,
    OPCODE_AUIPC = 0x17,
    OPCODE_OP_IMM_32 = 0x1b,
    OPCODE_STORE = 0x23,
    OPCODE_STORE_FP = 0x27,
    OPCODE_AMO = 0x2f,
    OPCODE_OP = 0x33,
    OPCODE_LUI = 0x37,
    OPCODE_OP_32 = 0x3b,
    OPCODE_FMADD = 0x43,
    OPCODE_FMSUB = 0x47,
    OPCODE_FNMSUB = 0x4b,
    OPCODE_FNMADD = 0x4f,
    OPCODE_OP_FP = 0x53,
    OPCODE_OP_V = 0x57,
    OPCODE_BRANCH = 0x63,
    OPCODE_JALR = 0x67,
    OPCODE_JAL = 0x6f,
    OPCODE_SYSTEM = 0x73,
};

/* Whole words of instructions without operands. */
enum { WORD_EBREAK = 0x00100073, WORD_MRET = 0x30200073, WORD_WFI = 0x10500073 };

/* Bits high..low of a word, right-aligned. */
static inline uint32_t bits(uint32_t word, unsigned high, unsigned low) {
    return (word >> low) & ((2u << (high - low)) - 1);
}

static inline int32_t sign_extend(uint32_t value, unsigned width) {
    return (int32_t)(value << (32 - width)) >> (32 - width);
}

static inline unsigned field_opcode(uint32_t word) { return bits(word, 6, 0); }
static inline unsigned field_rd(uint32_t word) { return bits(word, 11, 7); }
static inline unsigned field_funct3(uint32_t word) { return bits(word, 14, 12); }
static inline unsigned field_rs1(uint32_t word) { return bits(word, 19, 15); }
static inline unsigned field_rs2(uint32_t word) { return bits(word, 24, 20); }
static inline unsigned field_rs3(uint32_t word) { return bits(word, 31, 27); }
static inline unsigned field_funct5(uint32_t word) { return bits(word, 31, 27); }
static inline unsigned field_funct6(uint32_t word) { return bits(word, 31, 26); }

/* The width field of a float instruction: float32, float64 and others. */
static inline bool is_double(uint32_t word) { return bits(word, 26, 25) == 1; }

static inline void set_class(struct instruction *out, unsigned latency_class) {
    out->latency_class = (uint8_t)latency_class;
}

static inline void set_sources(struct instruction *out, int first, int second, int third) {
    out->sources[0] = (int8_t)first;
    out->sources[1] = (int8_t)second;
    out->sources[2] = (int8_t)third;
}

static inline void set_destination(struct instruction *out, int number) {
    out->destination = (int8_t)number;
}

#endif
