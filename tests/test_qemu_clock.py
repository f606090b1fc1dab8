# SPDX-License-Identifier: Apache-2.0
"""The plugin's clock: what sequences of instructions cost, and what the guest reads of it."""

import pytest
from qemu_fixtures import ECHO, LATENCY, SIZE, description

pytestmark = pytest.mark.quick

SEQUENCES = [
    # (instructions, cycles by hand: one issues a cycle, then what is waited for)
    ("nothing", "", 0),
    ("independent integers", "add a0, a1, a2; xor a3, a4, a5; c.addi a6, 1", 3),
    ("dependent integers", "add a0, a1, a2; add a0, a0, a0; add a0, a0, a0", 3),
    ("load", "ld a0, 0(sp)", 1),
    ("load, use", "ld a0, 0(sp); add a1, a0, a0", 3),
    ("load, other, use", "ld a0, 0(sp); add a3, a4, a5; add a1, a0, a0", 3),
    ("narrow load, use", "lbu a0, 0(sp); add a1, a0, a0", 4),
    ("load, use as address", "ld a0, 0(s3); lw a1, 0(a0)", 3),
    ("float load, use", "flw fa0, 0(sp); fadd.s fa1, fa0, fa0", 3),
    ("store", "sd a0, 0(s1); sd a0, 8(s1)", 2),
    ("store of a product", "mul a0, a1, a2; sd a0, 0(s1)", 5),
    ("multiply", "mul a0, a1, a2; mul a3, a1, a2; mul a4, a1, a2", 3),
    ("multiply, use", "mul a0, a1, a2; add a1, a0, a0", 5),
    ("divide holds the core", "divu a0, a1, a2; add a3, a4, a5", 35),
    ("remainder, divide", "rem a0, a1, s2; divw a3, a1, s2", 68),
    ("float add, use", "fadd.s fa0, fa1, fa2; fsub.s fa3, fa0, fa1", 5),
    ("fused, use as addend", "fmadd.s fa0, fa1, fa2, fa3; fmadd.s fa3, fa1, fa2, fa0", 6),
    ("double add, multiply, use", "fadd.d fa0, fa1, fa2; fmul.d fa3, fa0, fa0; fadd.d fa4, fa3, fa3", 14),
    ("float divide holds the core", "fdiv.s fa0, fa1, fa2; add a0, a1, a2", 21),
    ("double square root", "fsqrt.d fa0, fa1; fadd.d fa2, fa0, fa0", 31),
    ("compare, use", "flt.s a0, fa0, fa1; add a1, a0, a0", 3),
    ("move to float, use", "fmv.w.x fa0, a0; fadd.s fa1, fa0, fa0", 3),
    ("atomic, use", "amoadd.w a0, a1, (s1); add a1, a0, a0", 6),
    ("csr holds the core", "csrr a0, mscratch; add a1, a2, a3", 6),
    ("jump over", "j 1f; .word 0; 1: add a0, a1, a2", 2),
    ("branch forwards, taken", "beq zero, zero, 1f; .word 0; 1: add a0, a1, a2", 2),
    ("branch forwards, not taken", "bne zero, zero, 1f; add a0, a1, a2; 1: add a0, a1, a2", 3),
    ("registers are ready across a branch", "ld a0, 0(sp); beq zero, zero, 1f; 1: add a0, a0, a0", 3),
    # Loops: li, then the body by steady state, then 3 for the branch that was predicted taken.
    ("empty loop", "li a0, 10; 1: addi a0, a0, -1; bnez a0, 1b", 1 + 10 * 2 + 3),
    ("fused chain", "li a0, 10; 1: fmadd.s fa0, fa1, fa2, fa0; addi a0, a0, -1; bnez a0, 1b", 1 + 10 * 5 + 3),
    (
        "dot product",  # flw 0, fmadd 2 (and 5 behind the last one), addi 3, bnez 4: five
        "li a0, 7; 1: flw fa1, 0(sp); fmadd.s fa0, fa1, fa2, fa0; addi a0, a0, -1; bnez a0, 1b",
        1 + 7 * 5 + 3,
    ),
    (
        "two chains hide half of it",
        "li a0, 6; 1: fmadd.s fa0, fa1, fa2, fa0; fmadd.s fa3, fa1, fa2, fa3; addi a0, a0, -1; bnez a0, 1b",
        1 + 6 * 5 + 3,
    ),
    (
        "independent results",
        "li a0, 6; 1: fmul.s fa0, fa1, fa2; fmul.s fa3, fa1, fa2; addi a0, a0, -1; bnez a0, 1b",
        1 + 6 * 4 + 3,
    ),
    (
        "a value used a pass later is waited for",  # addi 0, bnez 1, and mul again when a2 is ready: 4 apart
        "li a0, 6; 1: mul a2, a2, a1; addi a0, a0, -1; bnez a0, 1b",
        1 + 6 * 4 + 3,
    ),
    (
        "a cycle of two passes is averaged",  # fa0 -> fa1 -> fa0: 5 + 4 for one pass
        "li a0, 4; 1: fadd.s fa0, fa1, fa1; fmul.s fa1, fa0, fa0; addi a0, a0, -1; bnez a0, 1b",
        1 + 4 * 9 + 3,
    ),
    ("nested loops", "li a1, 3; 2: li a0, 5; 1: addi a0, a0, -1; bnez a0, 1b; addi a1, a1, -1; bnez a1, 2b",
     1 + 3 * (1 + 5 * 2 + 3 + 2) + 3),
    ("call and return", "jal empty", 2),
]  # fmt: skip

MEASURED = """
    .globl main
main:
    addi sp, sp, -16; sd ra, 0(sp); li s0, {echo}; la s1, scratch; li s2, 3; la s3, pointer
    lw t0, 8(s0)
    j 100f
100:
{cases}
    lw t0, 8(s0)
    ld ra, 0(sp); addi sp, sp, 16; li a0, 0; ret
empty: ret
    .data
    .balign 8
scratch: .space 64
pointer: .dword scratch
"""


def measured(sequences, align="") -> str:
    """A main that brackets every sequence with device reads; each bracket costs 3 cycles on top."""
    cases = "\n".join(f"{align}\n{body}\n j 101f\n101: lw t0, 8(s0)\n j 102f\n102:" for body in sequences)
    return MEASURED.format(echo=ECHO, cases=cases.replace("; ", "\n"))


BRACKET = 3  # j, lw, j


def test_known_sequences_cost_what_one_computes_by_hand(firmware, run):
    elf = firmware("sequences", assembly=measured(body for _, body, _ in SEQUENCES))
    advances = run(elf).simulator.advances[1:-1]
    measurement = {name: cycles - BRACKET for (name, _, _), cycles in zip(SEQUENCES, advances, strict=False)}
    assert measurement == {name: cycles for name, _, cycles in SEQUENCES}


def test_costs_are_the_machine_files(firmware, run):
    bodies = ["fmadd.s fa0, fa1, fa2, fa3; fadd.s fa3, fa0, fa0", "sd a0, 0(s1); add a0, a1, a2"]
    text = description({**LATENCY, "f32_multiply": 11, "store": 3})
    advances = run(firmware("costs", assembly=measured(bodies)), text=text).simulator.advances[1:-1]
    assert [cycles - BRACKET for cycles in advances[:2]] == [12, 4]


def test_costs_do_not_depend_on_where_code_lies(firmware, run):
    """QEMU cuts its blocks at pages; a loop across two pages costs what it costs elsewhere."""
    loop = "li a0, 9; 1: fmadd.s fa0, fa1, fa2, fa0; fmadd.s fa0, fa1, fa2, fa0; addi a0, a0, -1; bnez a0, 1b"
    across = ".balign 4096; .space 4084; " + loop
    advances = run(
        firmware("page", assembly=measured([loop, "j 1f; " + across.replace("li a0", "1: li a0", 1)]))
    )
    here, across_pages = advances.simulator.advances[1:3]
    assert here - BRACKET == 1 + 9 * 10 + 3
    assert across_pages == here + 1, "the jump to it"


def test_the_guest_reads_simulated_time(firmware, run):
    assembly = f"""
        .globl main
main:   li a5, {ECHO}
        csrr a0, cycle; csrr a1, mcycle; csrr a2, instret
        lw t0, 8(a5)
        csrr a3, mcycle; csrr a4, minstret
        csrw mcycle, zero
        csrr a6, cycle
        sub a1, a1, a0; sub a3, a3, a0; sub a4, a4, a2; sub a6, a6, a0
        sw a1, 16(a5); sw a3, 16(a5); sw a4, 16(a5); sw a6, 16(a5)
        li a0, 0
        ret
    """
    times = run(firmware("time", assembly=assembly.replace("; ", "\n")), stall=1000).simulator.written(SIZE)
    # csrr is 5; then csrr, lw, 1000 of waiting, csrr; three instructions; csrr, csrw, csrr more.
    assert times == [5, 5 + 5 + 1 + 1000 + 5, 3, 1016 + 15]


def test_stall_cycles_move_the_clock_and_are_told_apart(hello, run):
    short, long = run(hello, stall=1).simulator.statistics, run(hello, stall=1 << 40).simulator.statistics
    assert (short["stall_cycles"], long["stall_cycles"]) == (3, 3 << 40)
    assert short["cpu_cycles"] == long["cpu_cycles"]


def test_advances_add_up_to_the_cpus_cycles(hello, run):
    simulator = run(hello, stall=77).simulator
    assert sum(simulator.advances) == simulator.statistics["cpu_cycles"]
