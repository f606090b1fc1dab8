# SPDX-License-Identifier: Apache-2.0
"""The firmware's driver of the compute device, on a real QEMU beside the real simulator."""

import re

import pytest
from acalsim_backend.errors import SimulateError
from acalsim_backend.machine import load_machine
from acalsim_backend.simulate import Tools, simulate
from compute_fixtures import ERRORS
from qemu_fixtures import cross
from simulator_fixtures import engine_library  # noqa: F401

pytest_plugins = ["qemu_fixtures"]

DEFAULT = load_machine("default")

SYMBOLS = """
void op_product(void);
void op_after(void);
void graph_0_forward(void);
const struct symbol graph_symbols[] = {
    {op_product, "op_product"}, {op_after, "op_after"}, {graph_0_forward, "graph_0_forward"},
};
const unsigned graph_symbol_count = 3;
"""

# C = A @ B, 16 x 16 each; the list with a MISTAKE or none.
PRODUCT = """
enum { N = 16 };
static float a[N * N], b[N * N];
__attribute__((section(".outputs"))) float c[N * N];
static struct DeviceCommand list[6] __attribute__((aligned(8)));
static void fill(void) {
    for (int i = 0; i < N * N; i++) a[i] = (float)(i % 7), b[i] = (float)(i % 5);
    struct DeviceCommand load = {.code = COMMAND_LOAD, .rows = 1, .row_bytes = 4 * N * N, .a_inner_stride = 4 * N * N};
    list[0] = list[1] = load;
    list[0].dram = (uintptr_t)a;
    list[1].dram = (uintptr_t)b, list[1].a = 4 * N * N;
    struct DeviceCommand product = {.code = COMMAND_MATMUL, .m = N, .n = N, .k = N, .b = 4 * N * N,
        .c_row_stride = 4 * N, .a_inner_stride = 4 * N, .a_k_inner_stride = 4, .b_inner_stride = 4,
        .b_k_inner_stride = 4 * N};
    list[2] = product;
    struct DeviceCommand store = {.code = COMMAND_STORE, .m = N, .n = N, .rows = 1, .row_bytes = 4 * N * N,
        .dram_row_stride = 4 * N * N, .c_row_stride = 4 * N, .a_inner_stride = 4 * N * N, .dram = (uintptr_t)c};
    list[3] = store;
}
GRAPH void op_product(void) { compute_run(COMPUTE_DEVICE_BASE, list, 4 * sizeof *list); }
GRAPH void op_after(void) { __asm__ volatile("nop"); }
GRAPH void graph_0_forward(void) { op_product(); op_after(); }
int main(void) { fill(); MISTAKE graph_0_forward(); return 0; }
"""


def product(mistake=""):
    return PRODUCT.replace("MISTAKE", mistake)


def outputs_wanted():
    a = [[(16 * i + x) % 7 for x in range(16)] for i in range(16)]
    b = [[(16 * x + j) % 5 for j in range(16)] for x in range(16)]
    return [float(sum(a[i][x] * b[x][j] for x in range(16))) for i in range(16) for j in range(16)]


@pytest.fixture
def measure(plugin, engine_library):  # noqa: F811
    """Simulates an ELF to its end; returns what simulate() does."""

    def run(elf, machine=DEFAULT, **options):
        return simulate(elf, machine, "embedded", Tools(plugin, engine_library), timeout_s=60, **options)

    return run


def test_a_list_is_executed_and_over_when_the_driver_returns(firmware, measure):
    run = measure(firmware("product", product(), symbols=SYMBOLS))
    assert list(memoryview(run.outputs[:1024]).cast("f")) == outputs_wanted()
    compute = run.statistics["devices"]["compute"]
    assert compute["commands"] == 4 and compute["transactions"] == 4
    op = next(op for op in run.statistics["guest"]["ops"] if op["symbol"] == "op_product")
    assert op["stall_cycles"] >= compute["busy_cycles"]
    assert op["instructions"] < 40, "the driver is short"


@pytest.mark.parametrize(
    ("mistake", "index", "error"),
    [
        ("list[0].a = 0x40000;", 0, "ERROR_SCRATCHPAD"),
        ("list[1].code = 77;", 1, "ERROR_COMMAND"),
        ("list[2].c = 0x10000;", 2, "ERROR_ACCUMULATOR"),
        ("list[3].dram = 0x1000;", 3, "ERROR_ADDRESS"),
    ],
)
def test_a_refused_command_is_told_by_op_index_and_name(firmware, measure, mistake, index, error):
    with pytest.raises(SimulateError) as caught:
        measure(firmware(error.lower(), product(mistake), symbols=SYMBOLS))
    wanted = f"the guest gave up: op_product: the device at 0x10300000 refused command {index} of 4: {error}"
    assert str(caught.value) == wanted and error in ERRORS


def test_a_list_beyond_the_devices_address_bits_is_refused(firmware, measure):
    c = product().replace("COMPUTE_DEVICE_BASE, list", "COMPUTE_DEVICE_BASE, list + (1ull << 25)")
    with pytest.raises(SimulateError) as caught:
        measure(firmware("far", c, symbols=SYMBOLS))
    wanted = r"op_product: the device at 0x10300000 takes command lists below 0x100000000; this one is at 0x1[0-9a-f]{8}"
    assert re.search(wanted, str(caught.value))


def test_a_device_that_refuses_has_an_exit_status_of_its_own(firmware, run):
    assert run(firmware("status", product(), symbols=SYMBOLS), value=6).status == 91


def test_a_program_without_the_driver_does_not_carry_it(firmware):
    assert "compute_refused" not in cross("nm", firmware("bare", "int main(void) { return 0; }"))
