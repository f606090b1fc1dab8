/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes RV64IMAFDC, Zicsr, Zifencei and V as far as timing needs it: class, registers, memory
 * accesses, control flow. Compressed instructions are first rewritten as the 32-bit instruction
 * that they stand for, without the immediates that change neither timing nor traffic. Words that
 * are no instruction count as `system`: the CPU will trap there anyway.
 */
#include "decode.h"

#include <stddef.h>

/* Bits high..low of a word, right-aligned. */
static inline uint32_t bits(uint32_t word, unsigned high, unsigned low) {
    return (word >> low) & ((2u << (high - low)) - 1);
}

static int32_t sign_extend(uint32_t value, unsigned width) {
    return (int32_t)(value << (32 - width)) >> (32 - width);
}

/* Major opcodes, bits 6..0. */
enum {
    OPCODE_LOAD = 0x03,
    OPCODE_LOAD_FP = 0x07,
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

enum { WORD_EBREAK = 0x00100073 };

/* --- Compressed to full ---------------------------------------------------------------- */

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

/* Loads and stores relative to a register, and addi4spn. */
static uint32_t expand_quadrant_0(uint32_t half) {
    static const uint8_t opcodes[8] = {OPCODE_OP_IMM,   OPCODE_LOAD_FP, OPCODE_LOAD, OPCODE_LOAD, 0,
                                       OPCODE_STORE_FP, OPCODE_STORE,   OPCODE_STORE};
    static const uint8_t widths[8] = {0, 3, 2, 3, 0, 3, 2, 3};
    unsigned row = bits(half, 15, 13);
    unsigned register_a = 8 + bits(half, 9, 7), register_b = 8 + bits(half, 4, 2);
    if (half == 0 || opcodes[row] == 0) return 0;
    if (row == 0) return encode(OPCODE_OP_IMM, 0, register_b, 2, 0);
    if (row < 4) return encode(opcodes[row], widths[row], register_b, register_a, 0);
    return encode(opcodes[row], widths[row], 0, register_a, register_b);
}

/* srli, srai, andi and the register-register group of quadrant 1. */
static uint32_t expand_arithmetic(uint32_t half) {
    static const uint8_t immediate_funct3[3] = {5, 5, 7};
    static const uint8_t funct3[4] = {0, 4, 6, 7};
    unsigned rd = 8 + bits(half, 9, 7), rs2 = 8 + bits(half, 4, 2), kind = bits(half, 6, 5);
    if (bits(half, 11, 10) != 3)
        return encode(OPCODE_OP_IMM, immediate_funct3[bits(half, 11, 10)], rd, rd, 0);
    if (bits(half, 12, 12) == 0) return encode(OPCODE_OP, funct3[kind], rd, rd, rs2);
    return kind < 2 ? encode(OPCODE_OP_32, 0, rd, rd, rs2) : 0;
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
    unsigned rd = bits(half, 11, 7);
    switch (bits(half, 15, 13)) {
        case 0: /* addi, nop */
            return encode(OPCODE_OP_IMM, 0, rd, rd, 0);
        case 1:
            return encode(OPCODE_OP_IMM_32, 0, rd, rd, 0);
        case 2: /* li */
            return encode(OPCODE_OP_IMM, 0, rd, 0, 0);
        case 3: /* addi16sp or lui */
            return rd == 2 ? encode(OPCODE_OP_IMM, 0, 2, 2, 0) : encode(OPCODE_LUI, 0, rd, 0, 0);
        case 4:
            return expand_arithmetic(half);
        case 5:
            return encode_jump(jump_offset(half));
        default: /* beqz, bnez */
            return encode_branch(bits(half, 13, 13), 8 + bits(half, 9, 7), branch_offset(half));
    }
}

/* jr, jalr, mv, add, ebreak. */
static uint32_t expand_register_moves(uint32_t half) {
    unsigned rd = bits(half, 11, 7), rs2 = bits(half, 6, 2), linked = bits(half, 12, 12);
    if (rs2 != 0) return encode(OPCODE_OP, 0, rd, linked ? rd : 0, rs2);
    if (rd != 0) return encode(OPCODE_JALR, 0, linked, rd, 0);
    return linked ? WORD_EBREAK : 0;
}

static uint32_t expand_quadrant_2(uint32_t half) {
    static const uint8_t widths[8] = {0, 3, 2, 3, 0, 3, 2, 3};
    unsigned row = bits(half, 15, 13), rd = bits(half, 11, 7), rs2 = bits(half, 6, 2);
    switch (row) {
        case 0:
            return encode(OPCODE_OP_IMM, 1, rd, rd, 0);
        case 4:
            return expand_register_moves(half);
        case 1:
            return encode(OPCODE_LOAD_FP, widths[row], rd, 2, 0);
        case 2:
        case 3:
            return encode(OPCODE_LOAD, widths[row], rd, 2, 0);
        case 5:
            return encode(OPCODE_STORE_FP, widths[row], 0, 2, rs2);
        default:
            return encode(OPCODE_STORE, widths[row], 0, 2, rs2);
    }
}

/* The 32-bit instruction that a compressed one stands for, 0 for none. */
static uint32_t expand(uint32_t half) {
    switch (half & 3) {
        case 0:
            return expand_quadrant_0(half);
        case 1:
            return expand_quadrant_1(half);
        default:
            return expand_quadrant_2(half);
    }
}

/* --- Full instructions ----------------------------------------------------------------- */

static unsigned field_rd(uint32_t word) { return bits(word, 11, 7); }
static unsigned field_rs1(uint32_t word) { return bits(word, 19, 15); }
static unsigned field_rs2(uint32_t word) { return bits(word, 24, 20); }
static unsigned field_rs3(uint32_t word) { return bits(word, 31, 27); }

static void set_class(struct instruction *out, unsigned latency_class) {
    out->latency_class = (uint8_t)latency_class;
}

static void set_sources(struct instruction *out, int first, int second, int third) {
    out->sources[0] = (int8_t)first;
    out->sources[1] = (int8_t)second;
    out->sources[2] = (int8_t)third;
}

static void set_destination(struct instruction *out, int number) {
    out->destination = (int8_t)number;
}

/* lumop and sumop, in the place of rs2, of unit-stride accesses. */
enum { UNIT_WHOLE_REGISTERS = 0x08, UNIT_MASK = 0x0b };

static enum vector_work access_work(unsigned mode, unsigned unit) {
    if (mode != 0) return WORK_ELEMENTS;
    if (unit == UNIT_WHOLE_REGISTERS) return WORK_REGISTERS;
    return unit == UNIT_MASK ? WORK_ONE : WORK_GROUP;
}

/* Vector accesses of one element each; the element size of indexed ones is in vtype, not here. */
static void decode_vector_access(uint32_t word, bool is_write, struct instruction *out) {
    static const uint8_t element_bytes[8] = {1, 0, 0, 0, 0, 2, 4, 8};
    unsigned mode = bits(word, 27, 26), value = V0 + field_rd(word), other = field_rs2(word);
    bool indexed = mode & 1, strided = mode == 2;
    out->access_bytes = indexed ? 0 : element_bytes[bits(word, 14, 12)];
    out->vector_read = !is_write;
    out->vector_write = is_write;
    out->vector_work = access_work(mode, other);
    out->vector_fields = (uint8_t)(bits(word, 31, 29) + 1);
    set_class(out, CLASS_vector);
    set_sources(out, field_rs1(word),
                indexed   ? (int)(V0 + other)
                : strided ? (int)other
                          : NO_REGISTER,
                is_write ? (int)value : NO_REGISTER);
    if (!is_write) set_destination(out, value);
}

static void decode_load(uint32_t word, bool is_float, struct instruction *out) {
    unsigned width = bits(word, 14, 12);
    if (is_float && (width == 0 || width > 4)) {
        decode_vector_access(word, false, out);
        return;
    }
    out->reads = 1;
    out->access_bytes = (uint8_t)(1u << (width & 3));
    set_class(out, out->access_bytes < 4 ? CLASS_load_narrow : CLASS_load);
    set_sources(out, field_rs1(word), NO_REGISTER, NO_REGISTER);
    set_destination(out, (is_float ? F0 : X0) + field_rd(word));
}

static void decode_store(uint32_t word, bool is_float, struct instruction *out) {
    unsigned width = bits(word, 14, 12);
    if (is_float && (width == 0 || width > 4)) {
        decode_vector_access(word, true, out);
        return;
    }
    out->writes = 1;
    out->access_bytes = (uint8_t)(1u << (width & 3));
    out->holds = true;
    set_class(out, CLASS_store);
    set_sources(out, field_rs1(word), (is_float ? F0 : X0) + field_rs2(word), NO_REGISTER);
}

static void decode_atomic(uint32_t word, struct instruction *out) {
    enum { LOAD_RESERVED = 2, STORE_CONDITIONAL = 3 };
    unsigned kind = bits(word, 31, 27);
    out->reads = kind != STORE_CONDITIONAL;
    out->writes = kind != LOAD_RESERVED;
    out->access_bytes = (uint8_t)(1u << (bits(word, 14, 12) & 3));
    set_class(out, CLASS_atomic);
    set_sources(out, field_rs1(word), field_rs2(word), NO_REGISTER);
    set_destination(out, field_rd(word));
}

static void decode_integer(uint32_t word, unsigned opcode, struct instruction *out) {
    bool two = opcode == OPCODE_OP || opcode == OPCODE_OP_32;
    bool none = opcode == OPCODE_LUI || opcode == OPCODE_AUIPC;
    set_class(out, CLASS_integer);
    if (two && bits(word, 31, 25) == 1) {
        out->holds = bits(word, 14, 14);
        set_class(out, out->holds ? CLASS_divide : CLASS_multiply);
    }
    set_sources(out, none ? NO_REGISTER : (int)field_rs1(word),
                two ? (int)field_rs2(word) : NO_REGISTER, NO_REGISTER);
    set_destination(out, field_rd(word));
}

static void decode_fused(uint32_t word, struct instruction *out) {
    set_class(out, bits(word, 26, 25) == 1 ? CLASS_f64_multiply : CLASS_f32_multiply);
    set_sources(out, F0 + field_rs1(word), F0 + field_rs2(word), F0 + field_rs3(word));
    set_destination(out, F0 + field_rd(word));
}

/* What OP-FP's funct5 (bits 31..27) means; absent rows are no instructions of F or D. */
struct float_operation {
    uint8_t single, twice; /* class for float32 and float64 */
    bool one_operand;      /* rs2 is no register but a variant */
    bool from_x, to_x;     /* rs1 or rd is an integer register */
};

static const struct float_operation float_operations[32] = {
    [0x00] = {CLASS_f32_add, CLASS_f64_add},
    [0x01] = {CLASS_f32_add, CLASS_f64_add},
    [0x02] = {CLASS_f32_multiply, CLASS_f64_multiply},
    [0x03] = {CLASS_f32_divide, CLASS_f64_divide},
    [0x04] = {CLASS_float_other, CLASS_float_other},                      /* sign injection */
    [0x05] = {CLASS_float_other, CLASS_float_other},                      /* min, max */
    [0x08] = {CLASS_float_other, CLASS_float_other, .one_operand = true}, /* single <-> double */
    [0x0b] = {CLASS_f32_divide, CLASS_f64_divide, .one_operand = true},   /* square root */
    [0x14] = {CLASS_float_other, CLASS_float_other, .to_x = true},        /* compare */
    [0x18] = {CLASS_float_other, CLASS_float_other, .one_operand = true, .to_x = true},
    [0x1a] = {CLASS_float_other, CLASS_float_other, .one_operand = true, .from_x = true},
    [0x1c] = {CLASS_float_other, CLASS_float_other, .one_operand = true, .to_x = true},
    [0x1e] = {CLASS_float_other, CLASS_float_other, .one_operand = true, .from_x = true},
};

static void decode_float(uint32_t word, struct instruction *out) {
    const struct float_operation *row = &float_operations[bits(word, 31, 27)];
    unsigned latency_class = bits(word, 26, 25) == 1 ? row->twice : row->single;
    set_class(out, latency_class);
    out->holds = latency_class == CLASS_f32_divide || latency_class == CLASS_f64_divide;
    set_sources(out, (row->from_x ? X0 : F0) + field_rs1(word),
                row->one_operand ? NO_REGISTER : (int)(F0 + field_rs2(word)), NO_REGISTER);
    set_destination(out, (row->to_x ? X0 : F0) + field_rd(word));
}

/* funct3 of OP-V: what the operands are. */
enum { IVV = 0, FVV = 1, MVV = 2, IVI = 3, IVX = 4, FVF = 5, MVX = 6, CONFIGURE = 7 };

/* funct6 of moves between element 0 and a scalar register, and of copies of a scalar. */
enum { MOVE_SCALAR = 0x10, MOVE_ALL = 0x17 };

static int vector_first_source(uint32_t word, unsigned funct3, unsigned funct6) {
    bool is_unary = (funct3 == MVV || funct3 == FVV) && funct6 >= 0x10 && funct6 <= 0x14 &&
                    funct6 != 0x11; /* rs1 tells variants of these apart */
    if (is_unary || funct3 == IVI || (funct3 == CONFIGURE && bits(word, 31, 30) == 3))
        return NO_REGISTER;
    if (funct3 == FVF) return F0 + (int)field_rs1(word);
    return (funct3 >= IVX ? X0 : V0) + (int)field_rs1(word);
}

static int vector_second_source(uint32_t word, unsigned funct3, unsigned funct6) {
    bool is_vsetvl = bits(word, 31, 25) == 0x40;
    if (funct3 == CONFIGURE) return is_vsetvl ? (int)field_rs2(word) : NO_REGISTER;
    bool from_scalar = funct6 == MOVE_SCALAR && (funct3 == MVX || funct3 == FVF);
    bool from_one = funct6 == MOVE_ALL && funct3 != MVV && bits(word, 25, 25);
    return from_scalar || from_one ? NO_REGISTER : (int)(V0 + field_rs2(word));
}

/* Whether a vector operation also reads its destination: the multiply-accumulate groups. */
static bool accumulates(unsigned funct3, unsigned funct6) {
    bool is_narrow = funct6 >= 0x28 && funct6 <= 0x2f, is_wide = funct6 >= 0x3c;
    if (funct3 == FVV || funct3 == FVF) return is_narrow || is_wide;
    return (funct3 == MVV || funct3 == MVX) && ((is_narrow && (funct6 & 1)) || is_wide);
}

static bool is_integer_form(unsigned funct3) {
    return funct3 == IVV || funct3 == IVI || funct3 == IVX;
}

static bool is_float_form(unsigned funct3) { return funct3 == FVV || funct3 == FVF; }

/* Reductions: of one row of the table for each kind of operand, and the widening sums. */
static bool is_reduction(unsigned funct3, unsigned funct6) {
    if (funct3 == IVV) return funct6 == 0x30 || funct6 == 0x31;
    if (funct3 == FVV) return (funct6 < 8 && (funct6 & 1)) || funct6 == 0x31 || funct6 == 0x33;
    return funct3 == MVV && funct6 < 8;
}

static bool is_one_element_a_cycle(unsigned funct3, unsigned funct6) {
    enum { GATHER = 0x0c, GATHER_16 = 0x0e, ORDERED_SUM = 0x03, WIDENING_ORDERED_SUM = 0x33 };
    if (funct3 == FVV) return funct6 == ORDERED_SUM || funct6 == WIDENING_ORDERED_SUM;
    return funct3 == IVV && (funct6 == GATHER || funct6 == GATHER_16);
}

static bool is_vector_divide(uint32_t word, unsigned funct3, unsigned funct6) {
    enum { UNARY_FLOAT = 0x13 }; /* a root where rs1 is 0 */
    if (funct3 == FVV && funct6 == UNARY_FLOAT) return field_rs1(word) == 0;
    if (is_float_form(funct3)) return funct6 == 0x20 || funct6 == 0x21;
    return !is_integer_form(funct3) && funct6 >= 0x20 && funct6 <= 0x23;
}

/* Widening and narrowing operations and conversions. */
static bool is_wide(uint32_t word, unsigned funct3, unsigned funct6) {
    enum { CONVERT = 0x12 };
    if (is_integer_form(funct3)) return funct6 >= 0x2c;
    if (funct3 == FVV && funct6 == CONVERT) return field_rs1(word) >= 8;
    return funct6 >= 0x30;
}

static enum vector_work operation_work(uint32_t word, unsigned funct3, unsigned funct6) {
    enum { MOVE_REGISTERS = 0x27 };
    bool is_mask_logic = funct3 == MVV && funct6 >= 0x18 && funct6 <= 0x1f;
    if (is_mask_logic || (funct6 == MOVE_SCALAR && !is_integer_form(funct3))) return WORK_ONE;
    if (funct3 == IVI && funct6 == MOVE_REGISTERS) return WORK_REGISTERS;
    if (is_one_element_a_cycle(funct3, funct6)) return WORK_ELEMENTS;
    if (is_vector_divide(word, funct3, funct6)) return WORK_DIVIDE;
    return is_wide(word, funct3, funct6) ? WORK_WIDE : WORK_GROUP;
}

static struct vector_setting decode_setting(uint32_t word) {
    enum { RESERVED_GROUP = 4 };
    bool has_length = bits(word, 31, 30) == 3, is_vsetvl = bits(word, 31, 30) == 2;
    bool keeps_length = field_rd(word) == 0 && field_rs1(word) == 0;
    unsigned group = bits(word, 22, 20), element_log2 = bits(word, 24, 23);
    bool is_known = !is_vsetvl && group != RESERVED_GROUP;
    return (struct vector_setting){
        .is_set = true,
        .element_bits = is_known ? (uint8_t)(8u << element_log2) : 0,
        .group_log2 = is_known ? (int8_t)sign_extend(group, 3) : 0,
        .length = has_length     ? (int8_t)field_rs1(word)
                  : keeps_length ? LENGTH_KEPT
                                 : LENGTH_UNKNOWN,
    };
}

static void decode_vector(uint32_t word, struct instruction *out) {
    unsigned funct3 = bits(word, 14, 12), funct6 = bits(word, 31, 26);
    int destination = V0;
    if (funct3 == CONFIGURE || (funct3 == MVV && funct6 == MOVE_SCALAR))
        destination = X0;
    else if (funct3 == FVV && funct6 == MOVE_SCALAR)
        destination = F0;
    destination += (int)field_rd(word);
    set_sources(out, vector_first_source(word, funct3, funct6),
                vector_second_source(word, funct3, funct6),
                accumulates(funct3, funct6) ? destination : NO_REGISTER);
    set_destination(out, destination);
    if (funct3 == CONFIGURE) {
        set_class(out, CLASS_integer);
        out->setting = decode_setting(word);
        return;
    }
    set_class(out, CLASS_vector);
    out->vector_work = (uint8_t)operation_work(word, funct3, funct6);
    out->vector_fields = out->vector_work == WORK_REGISTERS ? (uint8_t)(field_rs1(word) + 1) : 1;
    out->reduces = is_reduction(funct3, funct6);
}

static void decode_branch(uint32_t word, struct instruction *out) {
    out->flow = FLOW_BRANCH;
    out->holds = true;
    out->offset = sign_extend(bits(word, 31, 31) << 12 | bits(word, 7, 7) << 11 |
                                  bits(word, 30, 25) << 5 | bits(word, 11, 8) << 1,
                              13);
    set_class(out, CLASS_branch);
    set_sources(out, field_rs1(word), field_rs2(word), NO_REGISTER);
}

static void decode_jump(uint32_t word, bool is_indirect, struct instruction *out) {
    out->flow = is_indirect ? FLOW_INDIRECT : FLOW_JUMP;
    out->holds = true;
    set_class(out, CLASS_jump);
    set_destination(out, field_rd(word));
    if (is_indirect)
        set_sources(out, field_rs1(word), NO_REGISTER, NO_REGISTER);
    else
        out->offset = sign_extend(bits(word, 31, 31) << 20 | bits(word, 19, 12) << 12 |
                                      bits(word, 20, 20) << 11 | bits(word, 30, 21) << 1,
                                  21);
}

/* CSR instructions hold the core; of the rest (ecall, mret...) only fences, wfi go on behind. */
static void decode_system(uint32_t word, struct instruction *out) {
    enum { WORD_WFI = 0x10500073, WORD_MRET = 0x30200073 };
    unsigned funct3 = bits(word, 14, 12);
    bool is_system = bits(word, 6, 0) == OPCODE_SYSTEM;
    out->holds = true;
    set_class(out, CLASS_system);
    if (is_system && funct3 != 0) {
        set_destination(out, field_rd(word));
        set_sources(out, funct3 < 4 ? (int)field_rs1(word) : NO_REGISTER, NO_REGISTER, NO_REGISTER);
    } else if (is_system && word != WORD_WFI) {
        out->flow = FLOW_INDIRECT;
        if (word == WORD_MRET) set_class(out, CLASS_trap);
    }
}

static void decode_full(uint32_t word, struct instruction *out) {
    unsigned opcode = bits(word, 6, 0);
    switch (opcode) {
        case OPCODE_LOAD:
        case OPCODE_LOAD_FP:
            return decode_load(word, opcode == OPCODE_LOAD_FP, out);
        case OPCODE_STORE:
        case OPCODE_STORE_FP:
            return decode_store(word, opcode == OPCODE_STORE_FP, out);
        case OPCODE_AMO:
            return decode_atomic(word, out);
        case OPCODE_OP:
        case OPCODE_OP_32:
        case OPCODE_OP_IMM:
        case OPCODE_OP_IMM_32:
        case OPCODE_LUI:
        case OPCODE_AUIPC:
            return decode_integer(word, opcode, out);
        case OPCODE_FMADD:
        case OPCODE_FMSUB:
        case OPCODE_FNMSUB:
        case OPCODE_FNMADD:
            return decode_fused(word, out);
        case OPCODE_OP_FP:
            return decode_float(word, out);
        case OPCODE_OP_V:
            return decode_vector(word, out);
        case OPCODE_BRANCH:
            return decode_branch(word, out);
        case OPCODE_JAL:
        case OPCODE_JALR:
            return decode_jump(word, opcode == OPCODE_JALR, out);
        default:
            return decode_system(word, out);
    }
}

void decode(uint32_t word, struct instruction *out) {
    *out = (struct instruction){.length = (uint8_t)instruction_length(word),
                                .destination = NO_REGISTER};
    set_sources(out, NO_REGISTER, NO_REGISTER, NO_REGISTER);
    out->word = out->length == 2 ? word & 0xffff : word;
    decode_full(out->length == 2 ? expand(word & 0xffff) : word, out);
    if (out->destination == X0) /* writes to x0 vanish */
        out->destination = NO_REGISTER;
}
