/* SPDX-License-Identifier: Apache-2.0 */
/* Ends a run: in good order through the Echo device, or with an exit status through virt's test
 * device; and reports traps. */
#include "console.h"
#include "mmio.h"
#include "runtime.h"

/* virt's test device ends QEMU when this value, with the exit status in the upper 16 bits, is
 * written. */
#define TEST_DEVICE_BASE 0x100000
#define TEST_DEVICE_FAIL 0x3333

extern const char __graph_text_start[], __graph_text_end[], __stack_bottom[];

_Noreturn static void wait_for_ever(void) {
    for (;;) __asm__ volatile("wfi");
}

_Noreturn void fail(unsigned code) {
    MMIO_WRITE32(TEST_DEVICE_BASE, TEST_DEVICE_FAIL | code << 16);
    wait_for_ever();
}

_Noreturn void finish(void) {
    MMIO_WRITE32(ECHO_DEVICE_BASE + REG_DATA_IN, END_OF_SIMULATION);
    wait_for_ever();
}

static const char *cause_name(uint64_t cause) {
    static const char *const names[] = {
        "instruction address misaligned",
        "instruction access fault",
        "illegal instruction",
        "breakpoint",
        "load address misaligned",
        "load access fault",
        "store address misaligned",
        "store access fault",
        "ecall from user mode",
        "ecall from supervisor mode",
        "unknown cause",
        "ecall from machine mode",
        "instruction page fault",
        "load page fault",
        "unknown cause",
        "store page fault",
    };
    return cause < sizeof names / sizeof *names ? names[cause] : "interrupt";
}

const struct symbol *find_symbol(uint64_t address) {
    const struct symbol *nearest = 0;
    if (address < (uint64_t)__graph_text_start || address >= (uint64_t)__graph_text_end) return 0;
    for (unsigned i = 0; i < graph_symbol_count; i++) {
        const struct symbol *symbol = &graph_symbols[i];
        if ((uint64_t)symbol->address <= address &&
            (!nearest || symbol->address > nearest->address))
            nearest = symbol;
    }
    return nearest;
}

static void print_place(uint64_t address) {
    const struct symbol *symbol = find_symbol(address);
    print(" at ");
    print_hex(address);
    if (symbol) {
        print(" (");
        print(symbol->name);
        print("+");
        print_hex(address - (uint64_t)symbol->address);
        print(")");
    }
}

/* Prints what start.S found in mcause, mepc, mtval and sp, and ends the run. */
_Noreturn void report_trap(uint64_t cause, uint64_t address, uint64_t value, uint64_t stack) {
    print("trap: ");
    print(cause_name(cause));
    print_place(address);
    print(", mtval ");
    print_hex(value);
    print(", sp ");
    print_hex(stack);
    if (stack < (uint64_t)__stack_bottom + STACK_GUARD_BYTES) print(": the stack has overflowed");
    print("\n");
    fail(cause < EXIT_TRAP_INTERRUPT - EXIT_TRAP ? EXIT_TRAP + (unsigned)cause
                                                 : EXIT_TRAP_INTERRUPT);
}

/* Called where an index that is an element of a tensor is out of range. */
_Noreturn void index_error(int64_t index, int64_t size) {
    print("index ");
    if (index < 0) print("-");
    print_decimal(index < 0 ? 0 - (uint64_t)index : (uint64_t)index);
    print(" is not within a dimension of ");
    print_decimal((uint64_t)size);
    print("\n");
    fail(EXIT_INDEX);
}
