/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decode_compressed.h"

#include "decode_fields.h"

/* The stack pointer, which some compressed instructions use without naming it. */
enum { SP = 2 };

/* Register fields of three bits name x8 to x15. */
enum { FIRST_SHORT_REGISTER = 8 };

static unsigned short_register(uint32_t half, unsigned low) {
    return FIRST_SHORT_REGISTER + bits(half, low + 2, low);
}

/* --- Writing the 32-bit instruction ---------------------------------------------------- */

static uint32_t encode(unsigned opcode, unsigned funct3, unsigned rd, unsigned rs1, unsigned rs2) {
    return opcode | rd << 7 | funct3 << 12 | rs1 << 15 | rs2 << 20;
}

static uint32_t encode_branch(unsigned funct3, unsigned rs1, uint32_t offset) {
    return encode(OPCODE_BRANCH, funct3, 0, rs1, 0) | bits(offset, 12, 12) << 31 |
           bits(offset, 10, 5) << 25 | bits(offset, 4, 1) << 8 | bits(offset, 11, 11) << 7;
}

static uint32_t encode_jump(uint32_t offset) {
    return OPCODE_JAL | bits(offset, 20, 20) << 31 | bits(offset, 10, 1) << 21 |
           bits(offset, 11, 11) << 20 | bits(offset, 19, 12) << 12;
}

/* --- Loads and stores ------------------------------------------------------------------ */

/* funct3 of loads and stores: log2 of the bytes. */
enum { WORD_WIDTH = 2, DOUBLE_WIDTH = 3 };

/* By bits 15..13, the same in quadrants 0 and 2. The two absent rows mean something else. */
static const struct {
    uint8_t opcode, width;
} accesses[8] = {
    [1] = {.opcode = OPCODE_LOAD_FP, .width = DOUBLE_WIDTH},
    [2] = {.opcode = OPCODE_LOAD, .width = WORD_WIDTH},
    [3] = {.opcode = OPCODE_LOAD, .width = DOUBLE_WIDTH},
    [5] = {.opcode = OPCODE_STORE_FP, .width = DOUBLE_WIDTH},
    [6] = {.opcode = OPCODE_STORE, .width = WORD_WIDTH},
    [7] = {.opcode = OPCODE_STORE, .width = DOUBLE_WIDTH},
};

static bool is_store_row(unsigned row) { return row > 4; }

/* `data` is the register that is loaded or stored. */
static uint32_t expand_access(unsigned row, unsigned data, unsigned base) {
    return is_store_row(row) ? encode(accesses[row].opcode, accesses[row].width, 0, base, data)
                             : encode(accesses[row].opcode, accesses[row].width, data, base, 0);
}

/* --- The three quadrants --------------------------------------------------------------- */

/* Loads and stores relative to a register, and addi4spn. */
static uint32_t expand_quadrant_0(uint32_t half) {
    unsigned row = bits(half, 15, 13), data = short_register(half, 2);
    if (half == 0 || row == 4) return 0;
    if (row == 0) return encode(OPCODE_OP_IMM, 0, data, SP, 0);
    return expand_access(row, data, short_register(half, 7));
}

/* srli, srai, andi and the register-register group of quadrant 1. */
static uint32_t expand_arithmetic(uint32_t half) {
    static const uint8_t immediate_funct3[3] = {5, 5, 7}; /* srli, srai, andi */
    static const uint8_t funct3[4] = {0, 4, 6, 7};        /* sub, xor, or, and */
    unsigned group = bits(half, 11, 10), kind = bits(half, 6, 5);
    unsigned rd = short_register(half, 7), rs2 = short_register(half, 2);
    bool is_32_bits = bits(half, 12, 12);
    if (group != 3) return encode(OPCODE_OP_IMM, immediate_funct3[group], rd, rd, 0);
    if (!is_32_bits) return encode(OPCODE_OP, funct3[kind], rd, rd, rs2);
    return kind < 2 ? encode(OPCODE_OP_32, 0, rd, rd, rs2) : 0; /* subw, addw */
}

static uint32_t jump_offset(uint32_t half) {
    return (uint32_t)sign_extend(bits(half, 12, 12) << 11 | bits(half, 11, 11) << 4 |
                                     bits(half, 10, 9) << 8 | bits(half, 8, 8) << 10 |
                                     bits(half, 7, 7) << 6 | bits(half, 6, 6) << 7 |
                                     bits(half, 5, 3) << 1 | bits(half, 2, 2) << 5,
                                 12);
}

static uint32_t branch_offset(uint32_t half) {
    return (uint32_t)sign_extend(bits(half, 12, 12) << 8 | bits(half, 11, 10) << 3 |
                                     bits(half, 6, 5) << 6 | bits(half, 4, 3) << 1 |
                                     bits(half, 2, 2) << 5,
                                 9);
}

static uint32_t expand_quadrant_1(uint32_t half) {
    unsigned rd = field_rd(half);
    switch (bits(half, 15, 13)) {
        case 0: /* addi, nop */
            return encode(OPCODE_OP_IMM, 0, rd, rd, 0);
        case 1: /* addiw */
            return encode(OPCODE_OP_IMM_32, 0, rd, rd, 0);
        case 2: /* li */
            return encode(OPCODE_OP_IMM, 0, rd, 0, 0);
        case 3: /* addi16sp or lui */
            return rd == SP ? encode(OPCODE_OP_IMM, 0, SP, SP, 0) : encode(OPCODE_LUI, 0, rd, 0, 0);
        case 4:
            return expand_arithmetic(half);
        case 5: /* j */
            return encode_jump(jump_offset(half));
        default: /* beqz, bnez */
            return encode_branch(bits(half, 13, 13), short_register(half, 7), branch_offset(half));
    }
}

/* jr, jalr, mv, add, ebreak. */
static uint32_t expand_register_moves(uint32_t half) {
    unsigned rd = field_rd(half), rs2 = bits(half, 6, 2);
    bool is_second = bits(half, 12, 12); /* add, not mv; jalr, not jr; ebreak */
    if (rs2 != 0) return encode(OPCODE_OP, 0, rd, is_second ? rd : 0, rs2);
    if (rd != 0) return encode(OPCODE_JALR, 0, is_second ? 1 : 0, rd, 0);
    return is_second ? WORD_EBREAK : 0;
}

/* Loads and stores relative to the stack pointer, slli and register moves. */
static uint32_t expand_quadrant_2(uint32_t half) {
    unsigned row = bits(half, 15, 13), rd = field_rd(half), rs2 = bits(half, 6, 2);
    if (row == 0) return encode(OPCODE_OP_IMM, 1, rd, rd, 0);
    if (row == 4) return expand_register_moves(half);
    return expand_access(row, is_store_row(row) ? rs2 : rd, SP);
}

uint32_t decode_expand(uint32_t half) {
    switch (half & 3) {
        case 0:
            return expand_quadrant_0(half);
        case 1:
            return expand_quadrant_1(half);
        default:
            return expand_quadrant_2(half);
    }
}
