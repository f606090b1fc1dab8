# SPDX-License-Identifier: Apache-2.0
"""The device in a stock QEMU: the wire, the one clock, counts and their booking, and what goes wrong."""

import os
import re
import signal
import socket
import subprocess
import sys
import termios
import time

import pytest
from acalsim_backend.errors import QemuError
from acalsim_backend.host import qemu
from qemu_fixtures import ECHO, END, LATENCY, Simulator, description

pytest_plugins = ["qemu_fixtures"]

SIZE = ECHO + 0x10

HELLO = r"""
int main(void) {
    print("hello\n");
    MMIO_WRITE32(ECHO(REG_SIZE), MMIO_READ32(ECHO(REG_STATUS)));
    return 0;
}
"""


@pytest.fixture(scope="module")
def hello(firmware):
    return firmware("hello", HELLO)


# --- The device ----------------------------------------------------------------------------------


def test_stock_qemu_takes_the_device_on_the_command_line_that_people_type(hello, plugin, tmp_path):
    simulator = Simulator(tmp_path / "socket")
    command = f"qemu-system-riscv64 -M virt -bios none -nographic -kernel {hello} "
    command += f"-plugin {plugin} -device sst-device,socket={simulator.path}"
    done = subprocess.run(
        command.split(), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.replace("\r", "") == "hello\n"
    assert simulator.hello == 1
    assert simulator.accesses == [("R", ECHO + 8, 4, 0), ("W", SIZE, 4, 42), ("W", ECHO, 4, END)]


def test_each_access_is_preceded_by_the_time_since_the_last_and_statistics_come_last(hello, run):
    simulator = run(hello).simulator
    assert simulator.types == [3, 2, 0, 2, 1, 2, 1, 4]
    assert list(simulator.texts) == [2]


def test_every_declared_window_reaches_the_simulator_and_nothing_else_does(firmware, run):
    c = """int main(void) {
        for (int i = 0; i < 3; i++) MMIO_READ32(0x10200000 + 0x100000 * i + REG_RESULT);
        return 0;
    }"""
    devices = [("a", 0x10200000), ("b", 0x10300000), ("c", 0x10400000)]
    outcome = run(firmware("windows", c), text=description(devices=devices))
    assert [where for _, where, _, _ in outcome.simulator.accesses[:-1]] == [
        0x10200014,
        0x10300014,
        0x10400014,
    ]
    assert run(firmware("windows", c), text=description(devices=devices[:2])).status == 105


@pytest.mark.parametrize(("load", "size"), [("lb", 1), ("lhu", 2), ("lw", 4), ("ld", 8)])
def test_accesses_of_every_size_go_out_for_the_simulator_to_judge(firmware, run, load, size):
    assembly = f".globl main\nmain: li a1, {ECHO}\n {load} a0, 8(a1)\n {load} a0, 24(a1)\n li a0, 0\n ret"
    accesses = run(firmware(f"size_{load}", assembly=assembly)).simulator.accesses
    assert accesses[:2] == [("R", ECHO + 8, size, 0), ("R", ECHO + 24, size, 0)]


def test_shared_guest_ram_is_announced_by_its_absolute_path(hello, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    backend = "memory-backend-file,id=ram,size=16M,mem-path=guest ram,share="
    shared = run(hello, arguments=["-object", backend + "on", "-M", "memory-backend=ram"])
    assert shared.simulator.texts[1] == f"0x80000000 0x1000000 0x0 {tmp_path}/guest ram"
    private = run(hello, arguments=["-object", backend + "off", "-M", "memory-backend=ram"])
    assert list(private.simulator.texts) == [2]


def test_a_simulator_that_knows_only_reads_and_writes_is_served_too(hello, run):
    outcome = run(hello, legacy=True)
    assert (outcome.status, outcome.errors) == (0, "")
    assert outcome.simulator.types == [3, 0, 1, 1]


# --- The clock -----------------------------------------------------------------------------------

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


# --- Counts --------------------------------------------------------------------------------------

WORK = """
static float a[300], b[300];
static double d[40];
static volatile char bytes[64];
static volatile int word;
GRAPH float op_dot(void) { float s = 0; for (int i = 0; i < 300; i++) s += a[i] * b[i]; return s; }
GRAPH void op_exp(void) { for (int i = 0; i < 40; i++) d[i] = exp(d[i]) + expf(a[i]); }
GRAPH void op_move(void) { memcpy(a, b, sizeof a); memmove(a + 3, a, 100); }
GRAPH void op_never(void) { word++; }
GRAPH void op_device(void) { MMIO_READ32(COMPUTE_DEVICE_BASE + REG_RESULT); }
GRAPH void graph_0_forward(void) {
    op_move(); a[0] = op_dot(); op_exp(); op_device(); op_device();
    for (int i = 0; i < 64; i++) bytes[i] = bytes[63 - i] + 1;
    __atomic_fetch_add(&word, 1, __ATOMIC_SEQ_CST);
    op_move();
}
int main(int argc, char **argv) { graph_0_forward(); if (argc == 77 && argv) op_never(); return 0; }
"""


@pytest.fixture(scope="module")
def work(firmware):
    return firmware("work", WORK)


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
        function graph_0_forward; function op_first; function op_loop; function op_last.constprop.0; function main
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


# --- What goes wrong -----------------------------------------------------------------------------


def one_line(outcome):
    assert outcome.errors.count("\n") == 1, outcome.errors
    return outcome.errors


def test_nobody_listening_is_said_with_the_path(hello, plugin, tmp_path):
    base = [
        "qemu-system-riscv64",
        "-M",
        "virt",
        "-bios",
        "none",
        "-display",
        "none",
        "-kernel",
        hello,
        "-plugin",
        plugin,
    ]
    for device, message in (
        (f"socket={tmp_path}/none", f"no simulator on socket {tmp_path}/none: No such file or directory"),
        (f"socket={tmp_path}/{'x' * 108}", "too long for a Unix socket"),
        ("socket=", "socket=PATH is missing"),
    ):
        done = subprocess.run(
            [*base, "-device", f"sst-device,{device}"], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert done.stderr.count("\n") == 1


def test_a_second_device_is_refused(hello, run, tmp_path):
    outcome = run(hello, arguments=["-device", f"sst-device,socket={tmp_path}/socket0"])
    assert outcome.status == 1
    assert "one sst-device serves all devices" in one_line(outcome)


def test_two_cpus_and_unknown_options_are_refused(hello, run):
    for changed, message in (
        ({"arguments": ["-smp", "2"]}, "one CPU"),
        ({"options": ",colour=red"}, "'colour=red'"),
    ):
        simulator_waits = run_without_connection(run, hello, **changed)
        assert message in simulator_waits


def run_without_connection(run, elf, **changed):
    """QEMU's errors when it stops before it connects; lets the waiting simulator go."""
    simulators = []
    original = Simulator.__post_init__

    def remember(self):
        original(self)
        simulators.append(self)
        self.listener.settimeout(0)
        socket.socket(socket.AF_UNIX).connect(str(self.path))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Simulator, "__post_init__", remember)
        outcome = run(elf, **changed)
    assert outcome.status == 1
    return outcome.errors


@pytest.mark.parametrize("die_at", [0, 1])
def test_a_simulator_that_leaves_in_an_access_ends_qemu(hello, run, die_at):
    outcome = run(hello, die_at=die_at)
    assert outcome.status == 70
    assert re.match(
        r"sst-device: the simulator on .* closed the connection at cycle \d+\n", one_line(outcome)
    )


def test_a_simulator_that_leaves_while_the_guest_computes_ends_qemu(firmware, run):
    elf = firmware("forever", 'int main(void) { MMIO_READ32(ECHO(0)); for (;;) __asm__ volatile(""); }')
    started = time.monotonic()
    outcome = run(elf, die_after_s=0.2)
    assert outcome.status == 70
    assert "went away" in one_line(outcome)
    assert time.monotonic() - started < 10


def test_qemu_can_be_stopped_while_the_simulator_is_silent(hello, start, tmp_path):
    simulator = Simulator(tmp_path / "socket", silent=True)
    process = start(hello, simulator)
    assert simulator.accessed.wait(60)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 70
    assert "stopped while waiting" in errors


def test_a_terminal_is_usable_after_the_simulator_was_lost(hello, plugin, tmp_path):
    simulator = Simulator(tmp_path / "socket", die_at=0)
    master, terminal = os.openpty()
    before = termios.tcgetattr(terminal)
    command = ["qemu-system-riscv64", "-M", "virt", "-bios", "none", "-nographic", "-kernel", hello]
    command += ["-plugin", plugin, "-device", f"sst-device,socket={simulator.path}"]
    assert (
        subprocess.run(command, stdin=terminal, stdout=terminal, stderr=terminal, timeout=60).returncode == 70
    )
    assert termios.tcgetattr(terminal) == before
    assert os.get_blocking(terminal)
    os.close(master)
    os.close(terminal)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (description() + "latency telepathy 3\n", "latency class 'telepathy'"),
        (description() + "colour red\n", "colour red"),
        ("device a 0x10200000\n", "device a 0x10200000"),
    ],
)
def test_a_machine_description_that_is_not_understood_is_said(hello, run, text, message):
    outcome = run(hello, text=text)
    assert outcome.status == 70
    assert message in one_line(outcome)


# --- Whether this QEMU takes the plugin ------------------------------------------------------------


def test_the_installed_qemu_takes_the_plugin(plugin, tmp_path, monkeypatch):
    monkeypatch.delenv("QEMU", raising=False)
    assert qemu.main(["check", str(plugin), str(tmp_path / "out.json")]) == 0
    answer = qemu.json.loads((tmp_path / "out.json").read_text())
    assert answer["qemu"] == str(qemu.find_qemu())
    assert answer["version"] == qemu.version(qemu.find_qemu())
    assert answer["plugin_api"] == 1


def shared_object(folder, source):
    (folder / "bad.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", folder / "bad.c", "-o", folder / "bad.so"], check=True)
    return folder / "bad.so"


INSTALL = "int qemu_plugin_install(unsigned long id, void *info, int n, char **v) {{ {} return 0; }}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int qemu_plugin_version = 99;" + INSTALL.format(""), "API version 2?1; this one has 99"),
        (
            "int qemu_plugin_version = 1;" + INSTALL.format("gone_from_qemu();"),
            "its function 'gone_from_qemu'",
        ),
        (
            "int qemu_plugin_version = 1;" + INSTALL.format(""),
            "'sst-device' is not a valid device model name",
        ),
    ],
)
def test_what_qemu_lacks_is_named(tmp_path, source, message):
    with pytest.raises(QemuError, match=message) as caught:
        qemu.check_plugin(qemu.find_qemu(), shared_object(tmp_path, source))
    assert "\n" not in str(caught.value)


def program(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def test_a_qemu_that_is_none_or_takes_no_plugins_is_named(plugin, tmp_path, monkeypatch):
    without = program(tmp_path / "without", "echo 'qemu: -plugin: invalid option' >&2; exit 1\n")
    with pytest.raises(QemuError, match="built without plugins"):
        qemu.check_plugin(without, plugin)
    with pytest.raises(QemuError, match="device accesses get lost"):
        qemu.check_plugin(program(tmp_path / "idle", "exit 0\n"), plugin)
    with pytest.raises(QemuError, match="does not answer like QEMU: hello"):
        qemu.version(program(tmp_path / "other", "echo hello\n"))
    monkeypatch.setenv("QEMU", str(tmp_path / "missing"))
    with pytest.raises(QemuError, match="apt install qemu-system-misc"):
        qemu.find_qemu()
    monkeypatch.setenv("QEMU", str(without))
    assert qemu.find_qemu() == without


def test_a_missing_qemu_is_one_line_and_leaves_no_file(plugin, tmp_path):
    environment = {**os.environ, "QEMU": "no-such-qemu", "PYTHONPATH": str(qemu.SIM.parent / "site_scons")}
    command = [
        sys.executable,
        "-m",
        "acalsim_backend.host.qemu",
        "check",
        str(plugin),
        str(tmp_path / "out.json"),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("qemu: no program 'no-such-qemu'")
    assert not (tmp_path / "out.json").exists()
