/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decodes RV64IMAFDC, Zicsr, Zifencei and V as far as timing needs it: class, registers, memory
 * accesses, control flow. Compressed instructions are first rewritten as the 32-bit instruction
 * that they stand for. Words that are no instruction count as `system`: the CPU will trap there
 * anyway.
 */
#include "decode.h"

#include "decode_compressed.h"
#include "decode_fields.h"
#include "decode_vector.h"

/* --- Memory ---------------------------------------------------------------------------- */

/* Bytes of a scalar access: the lower bits of its width, the upper one being signedness. */
static uint8_t scalar_bytes(uint32_t word) { return (uint8_t)(1u << (field_funct3(word) & 3)); }

static void decode_load(uint32_t word, bool is_float, struct instruction *out) {
    if (is_float && decode_is_vector_access(word)) {
        decode_vector_access(word, false, out);
        return;
    }
    out->reads = 1;
    out->access_bytes = scalar_bytes(word);
    set_class(out, out->access_bytes < 4 ? CLASS_load_narrow : CLASS_load);
    set_sources(out, (int)field_rs1(word), NO_REGISTER, NO_REGISTER);
    set_destination(out, (int)((is_float ? F0 : X0) + field_rd(word)));
}

static void decode_store(uint32_t word, bool is_float, struct instruction *out) {
    if (is_float && decode_is_vector_access(word)) {
        decode_vector_access(word, true, out);
        return;
    }
    out->writes = 1;
    out->access_bytes = scalar_bytes(word);
    out->holds = true;
    set_class(out, CLASS_store);
    set_sources(out, (int)field_rs1(word), (int)((is_float ? F0 : X0) + field_rs2(word)),
                NO_REGISTER);
}

static void decode_atomic(uint32_t word, struct instruction *out) {
    enum { LOAD_RESERVED = 2, STORE_CONDITIONAL = 3 };
    unsigned kind = field_funct5(word);
    out->reads = kind != STORE_CONDITIONAL;
    out->writes = kind != LOAD_RESERVED;
    out->access_bytes = scalar_bytes(word);
    set_class(out, CLASS_atomic);
    set_sources(out, (int)field_rs1(word), (int)field_rs2(word), NO_REGISTER);
    set_destination(out, (int)field_rd(word));
}

/* --- Arithmetic ------------------------------------------------------------------------ */

static void decode_integer(uint32_t word, unsigned opcode, struct instruction *out) {
    enum { FUNCT7_MULTIPLY_DIVIDE = 1 };
    bool has_two = opcode == OPCODE_OP || opcode == OPCODE_OP_32;
    bool has_none = opcode == OPCODE_LUI || opcode == OPCODE_AUIPC;
    set_class(out, CLASS_integer);
    if (has_two && bits(word, 31, 25) == FUNCT7_MULTIPLY_DIVIDE) {
        bool is_divide = bits(word, 14, 14);
        out->holds = is_divide;
        set_class(out, is_divide ? CLASS_divide : CLASS_multiply);
    }
    set_sources(out, has_none ? NO_REGISTER : (int)field_rs1(word),
                has_two ? (int)field_rs2(word) : NO_REGISTER, NO_REGISTER);
    set_destination(out, (int)field_rd(word));
}

static void decode_fused(uint32_t word, struct instruction *out) {
    set_class(out, is_double(word) ? CLASS_f64_multiply : CLASS_f32_multiply);
    set_sources(out, (int)(F0 + field_rs1(word)), (int)(F0 + field_rs2(word)),
                (int)(F0 + field_rs3(word)));
    set_destination(out, (int)(F0 + field_rd(word)));
}

/* What OP-FP's funct5 means. Absent rows are no instructions of F or D. */
static const struct float_operation {
    uint8_t single, twice; /* class for float32 and float64 */
    bool one_operand;      /* rs2 is no register but a variant */
    bool from_x, to_x;     /* rs1 or rd is an integer register */
} float_operations[32] = {
#define BY_WIDTH(name) .single = CLASS_f32_##name, .twice = CLASS_f64_##name
#define OTHER .single = CLASS_float_other, .twice = CLASS_float_other
    [0x00] = {BY_WIDTH(add)},                              /* add */
    [0x01] = {BY_WIDTH(add)},                              /* subtract */
    [0x02] = {BY_WIDTH(multiply)},                         /* multiply */
    [0x03] = {BY_WIDTH(divide)},                           /* divide */
    [0x04] = {OTHER},                                      /* sign injection */
    [0x05] = {OTHER},                                      /* min, max */
    [0x08] = {OTHER, .one_operand = true},                 /* single <-> double */
    [0x0b] = {BY_WIDTH(divide), .one_operand = true},      /* square root */
    [0x14] = {OTHER, .to_x = true},                        /* compare */
    [0x18] = {OTHER, .one_operand = true, .to_x = true},   /* float to integer */
    [0x1a] = {OTHER, .one_operand = true, .from_x = true}, /* integer to float */
    [0x1c] = {OTHER, .one_operand = true, .to_x = true},   /* move to x, class */
    [0x1e] = {OTHER, .one_operand = true, .from_x = true}, /* move from x */
#undef BY_WIDTH
#undef OTHER
};

static void decode_float(uint32_t word, struct instruction *out) {
    const struct float_operation *row = &float_operations[field_funct5(word)];
    unsigned latency_class = is_double(word) ? row->twice : row->single;
    set_class(out, latency_class);
    out->holds = latency_class == CLASS_f32_divide || latency_class == CLASS_f64_divide;
    set_sources(out, (int)((row->from_x ? X0 : F0) + field_rs1(word)),
                row->one_operand ? NO_REGISTER : (int)(F0 + field_rs2(word)), NO_REGISTER);
    set_destination(out, (int)((row->to_x ? X0 : F0) + field_rd(word)));
}

/* --- Control flow ---------------------------------------------------------------------- */

static void decode_branch(uint32_t word, struct instruction *out) {
    out->flow = FLOW_BRANCH;
    out->holds = true;
    out->offset = sign_extend(bits(word, 31, 31) << 12 | bits(word, 7, 7) << 11 |
                                  bits(word, 30, 25) << 5 | bits(word, 11, 8) << 1,
                              13);
    set_class(out, CLASS_branch);
    set_sources(out, (int)field_rs1(word), (int)field_rs2(word), NO_REGISTER);
}

static void decode_jump(uint32_t word, bool is_indirect, struct instruction *out) {
    out->flow = is_indirect ? FLOW_INDIRECT : FLOW_JUMP;
    out->holds = true;
    set_class(out, CLASS_jump);
    set_destination(out, (int)field_rd(word));
    if (is_indirect)
        set_sources(out, (int)field_rs1(word), NO_REGISTER, NO_REGISTER);
    else
        out->offset = sign_extend(bits(word, 31, 31) << 20 | bits(word, 19, 12) << 12 |
                                      bits(word, 20, 20) << 11 | bits(word, 30, 21) << 1,
                                  21);
}

/* CSR instructions hold the core. Of the rest (ecall, mret...) only fences and wfi go on behind. */
static void decode_system(uint32_t word, struct instruction *out) {
    enum { FIRST_IMMEDIATE_FORM = 4 };
    unsigned funct3 = field_funct3(word);
    bool is_system = field_opcode(word) == OPCODE_SYSTEM;
    out->holds = true;
    set_class(out, CLASS_system);
    if (is_system && funct3 != 0) {
        set_destination(out, (int)field_rd(word));
        set_sources(out, funct3 < FIRST_IMMEDIATE_FORM ? (int)field_rs1(word) : NO_REGISTER,
                    NO_REGISTER, NO_REGISTER);
    } else if (is_system && word != WORD_WFI) {
        out->flow = FLOW_INDIRECT;
        if (word == WORD_MRET) set_class(out, CLASS_trap);
    }
}

/* --- Any instruction ------------------------------------------------------------------- */

static void decode_full(uint32_t word, struct instruction *out) {
    unsigned opcode = field_opcode(word);
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
    decode_full(out->length == 2 ? decode_expand(out->word) : word, out);
    if (out->destination == X0) /* writes to x0 vanish */
        out->destination = NO_REGISTER;
}
