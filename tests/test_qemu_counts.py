# SPDX-License-Identifier: Apache-2.0
"""The plugin's counts: accesses, instructions and the cycles of each op."""

import re
import struct
import subprocess
import sys

import pytest

pytestmark = pytest.mark.quick


def test_counts_are_the_same_every_time_and_under_load(work, run):
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(3)]
    try:
        loaded = [run(work).simulator.texts[2] for _ in range(2)]
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert {run(work).simulator.texts[2], *loaded} == {loaded[0]}


def test_memory_counts_are_those_of_the_trace(work, run, tmp_path):
    traced = run(work, options=f",trace={tmp_path / 'trace'}").simulator.statistics
    lines = [line.split() for line in (tmp_path / "trace").read_text().splitlines()]
    sizes = {kind: [int(size) for _, k, size, _ in lines if k == kind] for kind in "RW"}
    assert (len(sizes["R"]), sum(sizes["R"])) == (traced["memory_reads"], traced["memory_bytes_read"])
    assert (len(sizes["W"]), sum(sizes["W"])) == (traced["memory_writes"], traced["memory_bytes_written"])
    assert len(sizes["R"]) > 600
    assert all(0 <= int(cycle) <= traced["cpu_cycles"] + traced["stall_cycles"] for cycle, *_ in lines)
    assert [int(cycle) for cycle, *_ in lines] == sorted(int(cycle) for cycle, *_ in lines)
    assert traced == run(work).simulator.statistics, "tracing must not change the counts"


def test_others_may_look_at_the_clock_and_nothing_changes(work, run, tmp_path):
    clock = tmp_path / "clock"
    clock.touch()
    shared = run(work, options=f",clock={clock}").simulator.statistics
    cycles, stall_cycles, instructions = struct.unpack("<3Q", clock.read_bytes())
    assert cycles == shared["cpu_cycles"] + shared["stall_cycles"]
    assert (stall_cycles, instructions) == (shared["stall_cycles"], shared["instructions"])
    assert shared == run(work).simulator.statistics


def test_the_trace_ends_with_a_notice_where_it_is_cut(work, run, tmp_path):
    run(work, options=f",trace={tmp_path / 'trace'},trace_limit=10")
    lines = (tmp_path / "trace").read_text().splitlines()
    assert len(lines) == 11
    assert re.fullmatch(r"\d+ [RW] [1248] 0x[0-9a-f]+", lines[9])
    assert "cut" in lines[10]


def test_time_is_booked_to_ops_and_all_of_it(work, run):
    statistics = run(work, stall=500).simulator.statistics
    ops = {op["symbol"]: op for op in statistics["ops"]}
    assert {name: op["calls"] for name, op in ops.items()} == {
        "op_dot": 1, "op_exp": 1, "op_move": 2, "op_never": 0, "op_device": 2,
    }  # fmt: skip
    for key, total in (
        ("cycles", statistics["cpu_cycles"] + statistics["stall_cycles"]),
        ("stall_cycles", statistics["stall_cycles"]),
        ("instructions", statistics["instructions"]),
    ):
        assert sum(op[key] for op in ops.values()) + statistics["overhead"][key] == total
    assert ops["op_device"]["stall_cycles"] == 1000
    assert ops["op_never"]["cycles"] == 0
    assert ops["op_exp"]["instructions"] > 40 * 30, "exp and expf belong to the op that calls them"
    assert 300 * 6 < ops["op_dot"]["cycles"] < 300 * 6 + 30, (
        "flw, flw, addi, addi, fmadd, bne: fa5 is waited for"
    )


def test_ops_come_in_the_order_of_their_addresses(work, run):
    names = subprocess.check_output(["riscv64-unknown-elf-nm", "-n", work], text=True).split()
    statistics = run(work).simulator.statistics
    assert [op["symbol"] for op in statistics["ops"]] == [name for name in names if name.startswith("op_")]


def test_an_op_that_ends_in_a_tail_call_or_loops_at_its_entry_is_called_once(firmware, run):
    assembly = """
        .section .text.graph, "ax"
        .globl graph_0_forward, op_first, op_loop, op_last.constprop.0, main
        .macro function name
        .type \\name, @function
        .size \\name, end_\\name - \\name
        .endm
        function graph_0_forward; function op_first; function op_loop; function op_last.constprop.0
        function main
op_first: j helper
end_op_first:
op_loop: addi a0, a0, -1; bnez a0, op_loop; ret
end_op_loop:
op_last.constprop.0: ret
end_op_last.constprop.0:
graph_0_forward:
        addi sp, sp, -16; sd ra, 0(sp); li a0, 5
        call op_first; call op_loop
        ld ra, 0(sp); addi sp, sp, 16
        tail op_last.constprop.0
end_graph_0_forward:
helper: nop; nop; nop; ret
main:   addi sp, sp, -16; sd ra, 0(sp); call graph_0_forward; ld ra, 0(sp); addi sp, sp, 16; li a0, 0; ret
end_main:
    """
    statistics = run(firmware("tail", assembly=assembly.replace("; ", "\n"))).simulator.statistics
    ops = {op["symbol"]: (op["calls"], op["instructions"]) for op in statistics["ops"]}
    assert ops == {"op_first": (1, 1 + 4), "op_loop": (1, 2 * 5 + 1), "op_last": (1, 1)}


def test_vector_elements_are_counted_by_what_runs(firmware, run, tmp_path):
    assembly = """
        .option arch, +v
        .globl main
main:   la a1, data; li a2, 8; li a0, 10
        vsetvli t0, a0, e32, m2, ta, ma
        vle32.v v2, (a1); vlse32.v v4, (a1), a2; vadd.vv v2, v2, v4
        vse32.v v2, (a1)
        vid.v v6; vsll.vi v6, v6, 2
        vluxei32.v v8, (a1), v6; vsuxei32.v v8, (a1), v6
        li a0, 0
        ret
        .bss
        .balign 8
data:   .space 256
    """
    elf = firmware("vector", assembly=assembly.replace("; ", "\n"))
    cpu = ["-cpu", "rv64,v=true,vext_spec=v1.0,vlen=256"]
    statistics = run(elf, f",trace={tmp_path / 'trace'}", cpu).simulator.statistics
    trace = (tmp_path / "trace").read_text().splitlines()
    assert len([line for line in trace if " R 4 " in line]) >= 30
    assert statistics["memory_reads"] == sum(" R " in line for line in trace)
    assert statistics["memory_writes"] == sum(" W " in line for line in trace)
    assert statistics["memory_bytes_read"] == sum(int(line.split()[2]) for line in trace if " R " in line)


def test_without_symbols_everything_is_overhead(work, run, tmp_path):
    stripped = tmp_path / "stripped.elf"
    subprocess.run(["riscv64-unknown-elf-strip", work, "-o", stripped], check=True)
    statistics = run(stripped).simulator.statistics
    assert statistics["ops"] == []
    assert statistics["overhead"]["instructions"] == statistics["instructions"] > 5000


def test_a_raw_image_runs_and_is_counted_block_by_block(work, run, tmp_path):
    image = tmp_path / "image.bin"
    subprocess.run(["riscv64-unknown-elf-objcopy", "-O", "binary", work, image], check=True)
    raw, elf = (run(file).simulator.statistics for file in (image, work))
    assert raw["instructions"] == elf["instructions"]
    assert raw["memory_reads"] == elf["memory_reads"]
    assert raw["cpu_cycles"] == pytest.approx(elf["cpu_cycles"], rel=0.2)
