/* SPDX-License-Identifier: Apache-2.0 */
/* graph_0, program. Made from graph_0.ir by python -m acalsim_backend.codegen; do not edit. */
#include <math.h>
#include <string.h>

#include "mmio.h"
#include "runtime.h"
#include "compute.h"
#include "loops.h"

#define OP static NOINLINE __attribute__((section(".text.graph")))

#include "graph_0.h"

char graph_0_buffers[1] __attribute__((section(".bss.buffers"), aligned(64)));
char graph_0_outputs[256] __attribute__((section(".bss.outputs"), aligned(64)));

static const struct DeviceCommand list_matmul_0[] = {
    {.code = COMMAND_LOAD, .dram = (uint64_t)((const char *)param_3 + 0x0), .rows = 1, .row_bytes = 32},
    {.code = COMMAND_LOAD, .dram = (uint64_t)((const char *)input_0 + 0x0), .a = 64, .planes = 1, .rows = 1, .row_bytes = 512, .a_outer_stride = 512, .a_inner_stride = 512},
    {.code = COMMAND_LOAD, .dram = (uint64_t)((const char *)param_1 + 0x0), .a = 576, .planes = 1, .rows = 1, .row_bytes = 512, .a_outer_stride = 512, .a_inner_stride = 512},
    {.code = COMMAND_MATMUL, .m = 8, .n = 8, .k = 16, .a = 64, .b = 576, .c_row_stride = 32, .a_inner_stride = 64, .a_k_inner_stride = 4, .b_inner_stride = 4, .b_k_inner_stride = 32},
    {.code = COMMAND_STORE, .flags = FLAG_BIAS_COLUMNS, .dram = (uint64_t)((const char *)t_4 + 0x0), .m = 8, .n = 8, .c_row_stride = 32, .planes = 1, .rows = 1, .row_bytes = 256},
};
/* t_2 = MATMUL(input_0, param_1): [8, 16], [16, 8] -> [8, 8]; models/matmul.py:17
   t_4 = ADD(t_2, param_3): [8, 8], [8] -> [8, 8]; models/matmul.py:18 */
OP void op_matmul_0(void)
{
    compute_run(COMPUTE_DEVICE_BASE, list_matmul_0, sizeof list_matmul_0);
}

void graph_0_init(void)
{
    MMIO_WRITE32(COMPUTE_DEVICE_BASE + REG_CONTROL, CONTROL_RESET);
    while (MMIO_READ32(COMPUTE_DEVICE_BASE + REG_STATUS) & STATUS_BUSY)
        ;
}

__attribute__((section(".text.graph"))) void graph_0_forward(const void *inputs, void *outputs)
{
    if (inputs != graph_0_inputs)
        memcpy(graph_0_inputs, inputs, GRAPH_0_INPUTS_BYTES);
    op_matmul_0();
    if (outputs != graph_0_outputs)
        memcpy(outputs, graph_0_outputs, GRAPH_0_OUTPUTS_BYTES);
}

void graph_0_cleanup(void)
{
}

/* What a trap's place is named after. */
const struct symbol graph_symbols[] = {
    {(const void *)op_matmul_0, "op_matmul_0"},
    {(const void *)graph_0_forward, "graph_0_forward"},
};
const unsigned graph_symbol_count = 2;

int main(void)
{
    graph_0_init();
    graph_0_forward(graph_0_inputs, graph_0_outputs);
    graph_0_cleanup();
    return 0;
}
