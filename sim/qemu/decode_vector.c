/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "decode_vector.h"

#include "decode_fields.h"

/* --- Loads and stores ------------------------------------------------------------------ */

/* The addressing mode, bits 27..26. Both kinds of indexed accesses have the lower bit set. */
enum { MODE_UNIT = 0, MODE_INDEXED_BIT = 1, MODE_STRIDED = 2 };

/* lumop and sumop, in the place of rs2, of unit-stride accesses. */
enum { UNIT_WHOLE_REGISTERS = 0x08, UNIT_MASK = 0x0b };

/* Widths 1 to 4 are those of scalar floats. */
bool decode_is_vector_access(uint32_t word) {
    return field_funct3(word) == 0 || field_funct3(word) > 4;
}

static enum vector_work access_work(unsigned mode, unsigned unit) {
    if (mode != MODE_UNIT) return WORK_ELEMENTS;
    if (unit == UNIT_WHOLE_REGISTERS) return WORK_REGISTERS;
    return unit == UNIT_MASK ? WORK_ONE : WORK_GROUP;
}

/* Every element is an access of its own. The element size of indexed ones is in vtype, not here. */
void decode_vector_access(uint32_t word, bool is_write, struct instruction *out) {
    static const uint8_t element_bytes[8] = {[0] = 1, [5] = 2, [6] = 4, [7] = 8};
    unsigned mode = bits(word, 27, 26), value = V0 + field_rd(word), other = field_rs2(word);
    bool is_indexed = mode & MODE_INDEXED_BIT;
    int second = NO_REGISTER;
    if (is_indexed)
        second = V0 + (int)other;
    else if (mode == MODE_STRIDED)
        second = (int)other;
    out->access_bytes = is_indexed ? 0 : element_bytes[field_funct3(word)];
    out->vector_read = !is_write;
    out->vector_write = is_write;
    out->vector_work = (uint8_t)access_work(mode, other);
    out->vector_fields = (uint8_t)(bits(word, 31, 29) + 1);
    set_class(out, CLASS_vector);
    set_sources(out, (int)field_rs1(word), second, is_write ? (int)value : NO_REGISTER);
    if (!is_write) set_destination(out, (int)value);
}

/* --- Registers of operations ----------------------------------------------------------- */

/* funct3 of OP-V: what the operands are. I is integer, F float, M mask or multiply; the second
 * letter is a vector's, an immediate's, or a scalar's. */
enum { IVV = 0, FVV = 1, MVV = 2, IVI = 3, IVX = 4, FVF = 5, MVX = 6, CONFIGURE = 7 };

/* funct6 of moves between element 0 and a scalar register, and of copies of a scalar. */
enum { MOVE_SCALAR = 0x10, MOVE_ALL = 0x17 };

/* Bits 31..30 of vsetivli and, with more bits, 31..25 of vsetvl. vsetvli has bit 31 clear. */
enum { SET_IMMEDIATE_LENGTH = 3, SET_FROM_REGISTERS = 2, SET_FROM_REGISTERS_FULL = 0x40 };

static bool is_integer_form(unsigned funct3) {
    return funct3 == IVV || funct3 == IVI || funct3 == IVX;
}

static bool is_float_form(unsigned funct3) { return funct3 == FVV || funct3 == FVF; }

static bool is_between(unsigned number, unsigned least, unsigned most) {
    return number >= least && number <= most;
}

/* Operations of one operand, whose rs1 tells variants apart. */
static bool is_unary(unsigned funct3, unsigned funct6) {
    enum { FIRST = 0x10, NONE = 0x11, LAST = 0x14 };
    return (funct3 == MVV || funct3 == FVV) && is_between(funct6, FIRST, LAST) && funct6 != NONE;
}

static int first_source(uint32_t word, unsigned funct3, unsigned funct6) {
    bool has_length = funct3 == CONFIGURE && bits(word, 31, 30) == SET_IMMEDIATE_LENGTH;
    if (is_unary(funct3, funct6) || funct3 == IVI || has_length) return NO_REGISTER;
    if (funct3 == FVF) return F0 + (int)field_rs1(word);
    return (funct3 >= IVX ? X0 : V0) + (int)field_rs1(word);
}

static int second_source(uint32_t word, unsigned funct3, unsigned funct6) {
    bool is_vsetvl = bits(word, 31, 25) == SET_FROM_REGISTERS_FULL,
         is_unmasked = bits(word, 25, 25);
    if (funct3 == CONFIGURE) return is_vsetvl ? (int)field_rs2(word) : NO_REGISTER;
    bool from_scalar = funct6 == MOVE_SCALAR && (funct3 == MVX || funct3 == FVF);
    bool from_one = funct6 == MOVE_ALL && funct3 != MVV && is_unmasked;
    return from_scalar || from_one ? NO_REGISTER : (int)(V0 + field_rs2(word));
}

/* Whether an operation also reads its destination: the multiply-accumulate groups. */
static bool accumulates(unsigned funct3, unsigned funct6) {
    bool is_narrow = is_between(funct6, 0x28, 0x2f), is_wide = funct6 >= 0x3c;
    if (is_float_form(funct3)) return is_narrow || is_wide;
    return (funct3 == MVV || funct3 == MVX) && ((is_narrow && (funct6 & 1)) || is_wide);
}

static int destination_of(uint32_t word, unsigned funct3, unsigned funct6) {
    int first = V0;
    if (funct3 == CONFIGURE || (funct3 == MVV && funct6 == MOVE_SCALAR))
        first = X0;
    else if (funct3 == FVV && funct6 == MOVE_SCALAR)
        first = F0;
    return first + (int)field_rd(word);
}

/* --- Work of operations ---------------------------------------------------------------- */

/* Reductions: a row of the table for each kind of operand, and the widening sums. */
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

static bool is_divide(uint32_t word, unsigned funct3, unsigned funct6) {
    enum { UNARY_FLOAT = 0x13 }; /* a root where rs1 is 0 */
    if (funct3 == FVV && funct6 == UNARY_FLOAT) return field_rs1(word) == 0;
    if (is_float_form(funct3)) return is_between(funct6, 0x20, 0x21);
    return !is_integer_form(funct3) && is_between(funct6, 0x20, 0x23);
}

/* Widening and narrowing operations and conversions. */
static bool is_wide(uint32_t word, unsigned funct3, unsigned funct6) {
    enum { CONVERT = 0x12, FIRST_NARROWING_INTEGER = 0x2c, FIRST_WIDENING = 0x30 };
    if (is_integer_form(funct3)) return funct6 >= FIRST_NARROWING_INTEGER;
    if (funct3 == FVV && funct6 == CONVERT) return field_rs1(word) >= 8;
    return funct6 >= FIRST_WIDENING;
}

static enum vector_work operation_work(uint32_t word, unsigned funct3, unsigned funct6) {
    enum { MOVE_REGISTERS = 0x27 };
    bool is_mask_logic = funct3 == MVV && is_between(funct6, 0x18, 0x1f);
    if (is_mask_logic || (funct6 == MOVE_SCALAR && !is_integer_form(funct3))) return WORK_ONE;
    if (funct3 == IVI && funct6 == MOVE_REGISTERS) return WORK_REGISTERS;
    if (is_one_element_a_cycle(funct3, funct6)) return WORK_ELEMENTS;
    if (is_divide(word, funct3, funct6)) return WORK_DIVIDE;
    return is_wide(word, funct3, funct6) ? WORK_WIDE : WORK_GROUP;
}

/* --- Operations ------------------------------------------------------------------------ */

static int8_t asked_length(uint32_t word) {
    if (bits(word, 31, 30) == SET_IMMEDIATE_LENGTH) return (int8_t)field_rs1(word);
    return field_rd(word) == 0 && field_rs1(word) == 0 ? LENGTH_KEPT : LENGTH_UNKNOWN;
}

static struct vector_setting decode_setting(uint32_t word) {
    enum { RESERVED_GROUP = 4 };
    unsigned group = bits(word, 22, 20), element_log2 = bits(word, 24, 23);
    bool is_known = bits(word, 31, 30) != SET_FROM_REGISTERS && group != RESERVED_GROUP;
    return (struct vector_setting){
        .is_set = true,
        .element_bits = is_known ? (uint8_t)(8u << element_log2) : 0,
        .group_log2 = is_known ? (int8_t)sign_extend(group, 3) : 0,
        .length = asked_length(word),
    };
}

void decode_vector(uint32_t word, struct instruction *out) {
    unsigned funct3 = field_funct3(word), funct6 = field_funct6(word);
    int destination = destination_of(word, funct3, funct6);
    set_sources(out, first_source(word, funct3, funct6), second_source(word, funct3, funct6),
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
