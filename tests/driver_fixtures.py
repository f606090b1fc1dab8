# SPDX-License-Identifier: Apache-2.0
"""A firmware that gives the compute device one product to do, through its driver."""

import pytest
from acalsim_backend.machine.file import load_machine
from acalsim_backend.simulate.run import Tools, simulate

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
    struct DeviceCommand load = {.code = COMMAND_LOAD, .rows = 1, .row_bytes = 4 * N * N,
        .a_inner_stride = 4 * N * N};
    list[0] = list[1] = load;
    list[0].dram = (uintptr_t)a;
    list[1].dram = (uintptr_t)b, list[1].a = 4 * N * N;
    struct DeviceCommand product = {.code = COMMAND_MATMUL, .m = N, .n = N, .k = N, .b = 4 * N * N,
        .c_row_stride = 4 * N, .a_inner_stride = 4 * N, .a_k_inner_stride = 4, .b_inner_stride = 4,
        .b_k_inner_stride = 4 * N};
    list[2] = product;
    struct DeviceCommand store = {.code = COMMAND_STORE, .m = N, .n = N, .rows = 1, .row_bytes = 4 * N * N,
        .dram_row_stride = 4 * N * N, .c_row_stride = 4 * N, .a_inner_stride = 4 * N * N,
        .dram = (uintptr_t)c};
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
def measure(plugin, engine_library):
    """Simulates an ELF to its end, on the default machine or another; returns what simulate() does."""

    def run(elf, machine=DEFAULT, timeout_s=60, engine="embedded", **options):
        return simulate(elf, machine, engine, Tools(plugin, engine_library), timeout_s=timeout_s, **options)

    return run
