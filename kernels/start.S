/* SPDX-License-Identifier: Apache-2.0 */
/* Reset code. The image is entered at RAM's origin, in machine mode, with nothing set up. */

#include "machine.h"
#include "runtime.h"

#define MSTATUS_FS_INITIAL (1 << 13)
#define MSTATUS_VS_INITIAL (1 << 9)
#define MTVEC_VECTORED 1

/* For entry 1 of physical memory protection: addresses from pmpaddr0 to pmpaddr1 may not be read,
 * written or executed, not even in machine mode. */
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
    /* 2. The stack grows down from its top. Memory protection stops it at its bottom. */
    la      sp, __stack_top
    la      t0, __stack_bottom
    srli    t1, t0, 2
    csrw    pmpaddr0, t1
    addi    t0, t0, STACK_GUARD_BYTES
    srli    t1, t0, 2
    csrw    pmpaddr1, t1
    li      t0, PMP_LOCKED_RANGE << 8
    csrw    pmpcfg0, t0

    /* 3. Floating point and, if there are any, vectors are switched on. Traps go to trap_entry. */
    li      t0, MSTATUS_FS_INITIAL | MSTATUS_VS_INITIAL
    csrs    mstatus, t0
    csrw    fcsr, zero
#if DEVICE_COMPLETION == COMPLETION_INTERRUPT
    la      t0, trap_vectors + MTVEC_VECTORED
#else
    la      t0, trap_entry
#endif
    csrw    mtvec, t0

    /* 4. The static data that C requires to be zero is cleared, 8 bytes at a time. */
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
/* Exceptions go to the first entry, interrupts to the entry of their cause. Cause 11 is the external
 * interrupt; the others are never switched on. */
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

/* Traps are reported on a small stack of their own, because the program's may be what went wrong. A
 * trap during the report is not reported; it ends the run. */
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
