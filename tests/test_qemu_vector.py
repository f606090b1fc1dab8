# SPDX-License-Identifier: Apache-2.0
"""Vector code on QEMU: its memory traffic is counted element by element, its cycles follow SEW and LMUL."""

import pytest
from qemu_fixtures import ECHO, LATENCY, description

CPU = ["-cpu", "rv64,v=true,vext_spec=v1.0,vlen=256"]
SET = "vsetvli t0, a0, e32, m2, ta, ma; "

TRAFFIC = [
    # (instructions, with a0 = 11 elements asked for; reads, bytes read, writes, bytes written)
    (SET + "vle32.v v2, (a1)", 11, 44, 0, 0),
    (SET + "vse32.v v2, (a1)", 0, 0, 11, 44),
    (SET + "vle8.v v2, (a1)", 11, 11, 0, 0),
    (SET + "vle64.v v4, (a1)", 11, 88, 0, 0),
    (SET + "vlse32.v v2, (a1), a2", 11, 44, 0, 0),
    (SET + "vsse16.v v2, (a1), a2", 0, 0, 11, 22),
    (SET + "vid.v v6; vluxei32.v v2, (a1), v6", 11, 44, 0, 0),
    (SET + "vid.v v6; vsoxei32.v v2, (a1), v6", 0, 0, 11, 44),
    ("vsetvli t0, a0, e16, m1, ta, ma; vid.v v6; vluxei16.v v2, (a1), v6", 11, 22, 0, 0),
    (SET + "vlseg3e32.v v2, (a1)", 33, 132, 0, 0),
    (SET + "vsseg2e32.v v2, (a1)", 0, 0, 22, 88),
    (SET + "vlsseg2e32.v v2, (a1), a2", 22, 88, 0, 0),
    (SET + "vid.v v6; vmsltu.vi v0, v6, 5; vle32.v v2, (a1), v0.t", 5, 20, 0, 0),
    (SET + "vle32ff.v v2, (a1)", 11, 44, 0, 0),
    (SET + "vlm.v v2, (a1)", 2, 2, 0, 0),
    ("vl1re32.v v2, (a1)", 8, 32, 0, 0),
    ("vl2re64.v v2, (a1)", 8, 64, 0, 0),
    ("vs2r.v v2, (a1)", 0, 0, 64, 64),
    ("vsetvli t0, x0, e32, m8, ta, ma; vle32.v v8, (a1)", 64, 256, 0, 0),
    ("vsetivli t0, 0, e32, m1, ta, ma; vle32.v v8, (a1)", 0, 0, 0, 0),
]

PROGRAM = """
    .option arch, +v
    .globl main
main: la a1, data; li a2, 8; li a0, 11
{body}
    li a0, 0
    ret
    .bss
    .balign 8
data: .space 1024
"""
KEYS = ("memory_reads", "memory_bytes_read", "memory_writes", "memory_bytes_written")


def test_vector_accesses_are_counted_element_by_element(firmware, run):
    def counts(name, body):
        elf = firmware(name, assembly=PROGRAM.format(body=body).replace("; ", "\n"))
        statistics = run(elf, arguments=CPU).simulator.statistics
        return [statistics[key] for key in KEYS], statistics["instructions"]

    nothing, instructions = counts("nothing", "")
    for number, (body, *expected) in enumerate(TRAFFIC):
        found, more = counts(f"traffic{number}", body)
        assert [count - before for count, before in zip(found, nothing, strict=True)] == expected, body
        assert more - instructions == body.count(";") + 1, body


def setting(group, bits=32):
    return f"vsetvli t1, x0, e{bits}, {group}, ta, ma; "


CYCLES = [
    # (instructions, cycles by hand at VLEN 256 on a datapath of 128 bits, `vector` latency 4); a jump
    # follows each, which takes a cycle unless the vector unit is busy then
    (
        "a setting from a register: LMUL 1",
        setting("m8") + "vsetvl t1, x0, t2; vadd.vv v8, v16, v24",
        1 + 1 + 2,
    ),
    ("LMUL 1", setting("m1") + "vadd.vv v8, v16, v24; vadd.vv v9, v17, v25", 1 + 2 + 2),
    ("LMUL 8", setting("m8") + "vadd.vv v8, v16, v24", 1 + 16),
    ("LMUL 1/2", setting("mf2") + "vadd.vv v8, v16, v24; vadd.vv v9, v17, v25", 1 + 1 + 1 + 1),
    (
        "one instruction in the unit, integers beside it",
        setting("m4") + "vadd.vv v8, v16, v24; add a3, a4, a5; add a3, a3, a5",
        1 + 8,
    ),
    (
        "the unit is taken in turn",
        setting("m4") + "vadd.vv v8, v16, v24; vadd.vv v12, v16, v24; add a3, a4, a5",
        1 + 8 + 8,
    ),
    ("results flow on", setting("m4") + "vadd.vv v8, v16, v24; vadd.vv v12, v8, v24", 1 + 8 + 8),
    ("use of a short result waits", setting("m1") + "vadd.vv v8, v16, v24; vadd.vv v9, v8, v24", 1 + 4 + 2),
    ("a known vl", "vsetivli t1, 5, e32, m8, ta, ma; vadd.vv v8, v16, v24", 1 + 2),
    (
        "vl kept",
        "vsetivli t1, 5, e32, m8, ta, ma; vsetvli x0, x0, e32, m8, ta, ma; vadd.vv v8, v16, v24",
        1 + 1 + 2,
    ),
    ("SEW 8", setting("m4", 8) + "vadd.vv v8, v16, v24", 1 + 8),
    ("bytes of a vector of words", setting("m4") + "vle8.v v8, (s1)", 1 + 2),
    ("doubles of a vector of words", setting("m2") + "vle64.v v8, (s1)", 1 + 8),
    ("a strided load", setting("m2") + "vlse32.v v8, (s1), zero", 1 + 16),
    (
        "a strided load's use",
        setting("m1") + "vlse32.v v8, (s1), zero; vadd.vv v9, v8, v24",
        1 + 8 - 1 + 4 + 2,
    ),
    ("a segment load", setting("m1") + "vlseg2e32.v v8, (s1)", 1 + 4),
    ("whole registers", setting("m1") + "vl4re32.v v8, (s1)", 1 + 8),
    ("widening", setting("m1") + "vwadd.vv v8, v16, v24", 1 + 4),
    ("a divide", setting("m1") + "vfdiv.vv v8, v16, v24", 1 + 2 * 20),
    (
        "a reduction's use",
        setting("m4") + "vfredusum.vs v8, v16, v24; vfmv.f.s fa0, v8; fadd.s fa1, fa0, fa0",
        1 + 8 - 1 + 4 + 4 + 1 + 1,
    ),
    ("a scalar out of a vector", setting("m8") + "vmv.x.s a3, v8; add a3, a3, a3", 1 + 4 + 1 + 1),
    ("a setting's use", setting("m1") + "add t2, t1, t1", 2 + 1),
    (
        "a loop whose setting lies before it",
        "li a3, 10; " + setting("m8") + "j 1f; 1: vfmacc.vf v8, fa0, v16; addi a3, a3, -1; bnez a3, 1b",
        3 + 10 * 16 + 3 + 1,
    ),
    (
        "a loop bound by its chain",
        "li a3, 10; " + setting("m1") + "j 1f; 1: vfmacc.vf v8, fa0, v16; addi a3, a3, -1; bnez a3, 1b",
        3 + 10 * 4 + 3 + 1,
    ),
]

MEASURED = """
    .option arch, +v
    .globl main
main:
    li s0, {echo}; la s1, data; li t2, 0xd0
    lw t0, 8(s0)
    j 100f
100:
{cases}
    lw t0, 8(s0)
    li a0, 0; ret
    .bss
    .balign 8
data: .space 1024
"""
BRACKET = 2


@pytest.mark.parametrize(("name", "body", "cycles"), CYCLES)
def test_vector_sequences_cost_what_one_computes_by_hand(firmware, run, name, body, cycles):
    case = f"{body}\n j 101f\n101: lw t0, 8(s0)\n j 102f\n102:"
    elf = firmware("cycles", assembly=MEASURED.format(echo=ECHO, cases=case).replace("; ", "\n"))
    text = description(LATENCY) + "vector 256 128\n"
    assert run(elf, arguments=CPU, text=text).simulator.advances[1] - BRACKET == cycles
