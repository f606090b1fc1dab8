# SPDX-License-Identifier: Apache-2.0
"""Reset, traps, console and the ways a run ends, on a real QEMU."""

import re
import subprocess

import pytest
from qemu_fixtures import ECHO, END, KERNELS, cross

pytestmark = pytest.mark.quick

SIZE = ECHO + 0x10

SYMBOLS = """
void op_bad(void);
void op_good(void);
void graph_0_forward(void);
const struct symbol graph_symbols[] = {  /* in no order, as promised */
    {op_bad, "op_bad"}, {graph_0_forward, "graph_0_forward"}, {op_good, "op_good"},
};
const unsigned graph_symbol_count = 3;
"""

BAD = """
GRAPH void op_good(void) {{ __asm__ volatile("nop; nop; nop"); }}
GRAPH void op_bad(void) {{ {} }}
GRAPH void graph_0_forward(void) {{ op_good(); op_bad(); }}
int main(void) {{ graph_0_forward(); return 0; }}
"""

TRAP = re.compile(
    r"trap: (?P<cause>[a-z -]+) at 0x(?P<mepc>[0-9a-f]+)( \((?P<symbol>\w+)\+0x[0-9a-f]+\))?, "
    r"mtval 0x(?P<mtval>[0-9a-f]+), sp 0x(?P<sp>[0-9a-f]+)(?P<stack>: the stack has overflowed)?\n"
)


def trap_of(outcome):
    found = TRAP.fullmatch(outcome.console)
    assert found, outcome.console
    return found


@pytest.mark.parametrize(
    ("body", "status", "cause", "mtval"),
    [
        ("MMIO_READ32(ECHO(REG_RESULT));", 105, "load access fault", ECHO + 0x14),
        ("MMIO_WRITE32(ECHO(REG_RESULT), 1);", 107, "store access fault", ECHO + 0x14),
        ("MMIO_WRITE32(0x81000000, 1);", 107, "store access fault", 0x81000000),
        ("MMIO_READ32(0x81000000);", 105, "load access fault", 0x81000000),
        ("((void (*)(void))0x10500000)();", 101, "instruction access fault", 0x10500000),
        ('__asm__ volatile("unimp");', 102, "illegal instruction", None),
        ('__asm__ volatile("ebreak");', 103, "breakpoint", None),
        ('__asm__ volatile("ecall");', 111, "ecall from machine mode", 0),
    ],
)
def test_a_trap_is_reported_by_cause_place_and_address(firmware, run, body, status, cause, mtval):
    elf = firmware("trap", BAD.format(body), symbols=SYMBOLS)
    outcome = run(elf, refuse=(ECHO + 0x14,))
    assert outcome.status == status
    found = trap_of(outcome)
    assert found["cause"] == cause
    if "0x10500000" not in body:
        assert found["symbol"] == "op_bad"
        assert place(elf, "op_bad") <= int(found["mepc"], 16) < place(elf, "op_bad") + 40
    assert mtval is None or int(found["mtval"], 16) == mtval


def place(elf, name):
    return next(
        int(line.split()[0], 16) for line in cross("nm", elf).splitlines() if line.endswith(f" {name}")
    )


def test_a_refused_access_leaves_the_simulator_alive(firmware, run):
    outcome = run(
        firmware("trap", BAD.format("MMIO_READ32(ECHO(REG_RESULT));"), symbols=SYMBOLS), refuse=(ECHO + 0x14,)
    )
    assert outcome.simulator.accesses == [("R", ECHO + 0x14, 4, 0)]
    assert list(outcome.simulator.texts) == [], "a run that fails leaves no statistics"


def test_a_trap_outside_the_graph_has_no_symbol(firmware, run):
    outcome = run(firmware("outside", 'int main(void) { __asm__ volatile("unimp"); return 0; }'))
    assert trap_of(outcome)["symbol"] is None


def test_a_trap_is_reported_even_without_a_usable_stack(firmware, run):
    elf = firmware("nostack", 'int main(void) { __asm__ volatile("li sp, 64; sd ra, 0(sp)"); return 0; }')
    found = trap_of(run(elf))
    assert (found["cause"], found["sp"]) == ("store access fault", "40")
    assert found["stack"]


DEEP = """
__attribute__((noinline)) unsigned deep(unsigned n) {
    volatile char room[200];
    room[0] = (char)n;
    return n ? deep(n - 1) + (unsigned char)room[0] : 0;
}
"""


def test_the_stack_holds_what_it_promises(firmware, run):
    main = "int main(void) { MMIO_WRITE32(ECHO(REG_SIZE), deep(60)); return 0; }"
    assert run(firmware("deep", DEEP + main)).simulator.written(SIZE) == [60 * 61 // 2]


def test_a_stack_that_grows_too_far_is_stopped_there(firmware, run):
    elf = firmware("deeper", DEEP + "int main(void) { return deep(80) == 0; }")
    outcome = run(elf)
    assert outcome.status == 107
    found = trap_of(outcome)
    assert found["stack"]
    assert 0 <= int(found["mtval"], 16) - place(elf, "__stack_bottom") < 256


def test_mains_result_and_fail_are_qemus_exit_status(firmware, run):
    assert run(firmware("three", "int main(void) { return 3; }")).status == 3
    assert run(firmware("forty", 'int main(void) { print("no"); fail(40); }')).status == 40


def test_finish_ends_the_simulation_in_good_order(firmware, run):
    outcome = run(firmware("finish", "int main(void) { finish(); }"))
    assert outcome.status == 0
    assert outcome.simulator.accesses == [("W", ECHO, 4, END)]


def test_static_data_is_zero_or_as_initialised_and_outputs_are_left_alone(firmware, run, tmp_path):
    c = """
    static unsigned zero[1001], one = 1;
    __attribute__((section(".outputs"))) unsigned output[4];
    int main(void) {
        unsigned sum = 0;
        for (int i = 0; i < 1001; i++) sum |= zero[i];
        MMIO_WRITE32(ECHO(REG_SIZE), sum);
        MMIO_WRITE32(ECHO(REG_SIZE), one);
        MMIO_WRITE32(ECHO(REG_SIZE), output[2]);
        return 0;
    }"""
    elf = firmware("data", c)
    image, ram = tmp_path / "image.bin", tmp_path / "ram"
    cross("objcopy", "-O", "binary", elf, image)
    ram.write_bytes(b"\xa5" * (16 << 20))
    backend = f"memory-backend-file,id=ram,size=16M,mem-path={ram},share=on"
    outcome = run(image, arguments=["-object", backend, "-M", "memory-backend=ram"])
    assert outcome.simulator.written(SIZE) == [0, 1, 0xA5A5A5A5]


def test_numbers_are_printed_in_full(firmware, run):
    c = """int main(void) {
        print_decimal(0); print(" "); print_decimal(18446744073709551615u); print(" ");
        print_hex(0); print(" "); print_hex(0xfedcba9876543210); return 0;
    }"""
    assert run(firmware("numbers", c)).console == "0 18446744073709551615 0x0 0xfedcba9876543210"


def test_floating_point_and_the_library_work(firmware, run):
    c = """
    static volatile float x = 1.0f;
    int main(void) { MMIO_WRITE32(ECHO(REG_SIZE), (unsigned)(expf(x) * 1e6f)); return 0; }"""
    [value] = run(firmware("floats", c)).simulator.written(SIZE)
    assert abs(value - 2718281) < 3


def test_read_cycles_tells_simulated_time(firmware, run):
    c = """int main(void) {
        uint64_t start = read_cycles();
        MMIO_READ32(ECHO(REG_STATUS));
        MMIO_WRITE32(ECHO(REG_SIZE), (unsigned)(read_cycles() - start));
        return 0;
    }"""
    [cycles] = run(firmware("cycles", c), stall=100000).simulator.written(SIZE)
    assert 100000 < cycles < 100030


def test_the_reset_code_is_at_the_origin_and_the_headers_are_plain_c(firmware):
    elf = firmware("origin", "int main(void) { return 0; }")
    assert place(elf, "_start") == 0x80000000
    for header in KERNELS.glob("*.h"):
        command = [
            "gcc",
            "-std=c11",
            "-fsyntax-only",
            "-Wall",
            "-Wextra",
            "-Werror",
            f"-I{elf.parent}",
            "-x",
            "c",
            header,
        ]
        subprocess.run(command, check=True)
