/* SPDX-License-Identifier: Apache-2.0 */
/* graph_0, program. Made from graph_0.ir by python -m acalsim_backend.codegen; do not edit. */
#include <math.h>
#include <string.h>

#include "mmio.h"
#include "runtime.h"
#include "matmul.h"
#include "graph_0.h"

char graph_0_buffers[256] __attribute__((section(".bss.buffers"), aligned(64)));
char graph_0_outputs[256] __attribute__((section(".bss.outputs"), aligned(64)));

#define OP static __attribute__((noinline, noclone, section(".text.graph")))

/* t_2 = MATMUL(input_0, param_1): [8, 16], [16, 8] -> [8, 8]; models/matmul.py:17 */
OP void op_matmul_0(void)
{
    matmul_f32(input_0, param_1, t_2, 8, 8, 16);
}

/* t_4 = ADD(t_2, param_3): [8, 8], [8] -> [8, 8]; models/matmul.py:18 */
OP void op_add_1(void)
{
    for (long i0 = 0; i0 < 8; i0++)
    #pragma GCC unroll 4
        for (long i1 = 0; i1 < 8; i1++)
            t_4[i0 * 8 + i1] = t_2[i0 * 8 + i1] + param_3[i1];
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
    op_add_1();
    if (outputs != graph_0_outputs)
        memcpy(outputs, graph_0_outputs, GRAPH_0_OUTPUTS_BYTES);
}

void graph_0_cleanup(void)
{
}

/* What a trap's place is named after. */
const struct symbol graph_symbols[] = {
    {(const void *)op_matmul_0, "op_matmul_0"},
    {(const void *)op_add_1, "op_add_1"},
    {(const void *)graph_0_forward, "graph_0_forward"},
};
const unsigned graph_symbol_count = 3;

int main(void)
{
    graph_0_init();
    graph_0_forward(graph_0_inputs, graph_0_outputs);
    graph_0_cleanup();
    return 0;
}
