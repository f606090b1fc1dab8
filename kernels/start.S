/* SPDX-License-Identifier: Apache-2.0 */
/* Reset. The image is entered at RAM's origin, in machine mode, with nothing set up. */

#include "machine.h"
#include "runtime.h"

#define MSTATUS_FS_INITIAL (1 << 13)
#define MSTATUS_VS_INITIAL (1 << 9)
#define MTVEC_VECTORED 1

/* Of entry 1: from pmpaddr0 to pmpaddr1 nothing may be read, written or executed, by anybody. */
#define PMP_LOCKED_RANGE 0x88

    .section .text.init, "ax"
    .global _start
    .type _start, @function
_start:
    /* 1. Only hart 0 runs the program; any other sleeps. */
    csrr    t0, mhartid
park:
    beqz    t0, run
    wfi
    j       park
run:
    /* 2. The stack grows down from its top; at its bottom memory protection waits for it. */
    la      sp, __stack_top
    la      t0, __stack_bottom
    srli    t1, t0, 2
    csrw    pmpaddr0, t1
    addi    t0, t0, STACK_GUARD_BYTES
    srli    t1, t0, 2
    csrw    pmpaddr1, t1
    li      t0, PMP_LOCKED_RANGE << 8
    csrw    pmpcfg0, t0

    /* 3. Floating point and, where there are any, vectors are switched on; traps are reported. */
    li      t0, MSTATUS_FS_INITIAL | MSTATUS_VS_INITIAL
    csrs    mstatus, t0
    csrw    fcsr, zero
#if DEVICE_COMPLETION == COMPLETION_INTERRUPT
    la      t0, trap_vectors + MTVEC_VECTORED
#else
    la      t0, trap_entry
#endif
    csrw    mtvec, t0

    /* 4. Static data that C promises to be zero is made zero, 8 bytes at a time. */
    la      t0, __bss_start
    la      t1, __bss_end
    bgeu    t0, t1, cleared
clear:
    sd      zero, 0(t0)
    addi    t0, t0, 8
    bltu    t0, t1, clear
cleared:

    /* 5. main's return value decides how the run ends. */
#if DEVICE_COMPLETION == COMPLETION_INTERRUPT
    call    interrupts_prepare
#endif
    call    main
    bnez    a0, failed
    call    finish
failed:
    call    fail
    .size _start, . - _start

#if DEVICE_COMPLETION == COMPLETION_INTERRUPT
/* Where traps go: exceptions to the first entry, interrupts to that of their cause. 11 is the
 * external interrupt; nobody switches on the others. */
    .balign 64
trap_vectors:
    .option push
    .option norvc
    .rept   11
    j       trap_entry
    .endr
    j       interrupt_entry
    .option pop
#endif

/* A trap's own small stack: the program's may be what went wrong. A trap within the report is
 * not reported again, it only ends the run. */
    .global trap_entry
    .balign 4
trap_entry:
    la      t0, second_trap
    csrw    mtvec, t0
    mv      a3, sp
    la      sp, trap_stack_top
    csrr    a0, mcause
    csrr    a1, mepc
    csrr    a2, mtval
    call    report_trap

    .balign 4
second_trap:
    li      a0, EXIT_TRAP_TWICE
    la      sp, trap_stack_top
    call    fail

    .section .bss.trap_stack, "aw", @nobits
    .balign 16
trap_stack:
    .space  1024
trap_stack_top:
