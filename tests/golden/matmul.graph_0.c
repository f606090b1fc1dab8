/* SPDX-License-Identifier: Apache-2.0 */
/* graph_0, program. Made from graph_0.ir by python -m acalsim_backend.codegen; do not edit. */
#include <math.h>
#include <string.h>

#include "mmio.h"
#include "runtime.h"
#include "loops.h"
#include "matmul.h"

#define OP static NOINLINE __attribute__((section(".text.graph")))

struct kernel_matmul_0_pointers {
    const float *p0;
    const float *p1;
    const float *p2;
    float *p3;
};
INLINE void kernel_matmul_0_end(const void *context, long batch, long row, long column, int count, const float *sums)
{
    const struct kernel_matmul_0_pointers *pointers = context;
    const float *p2 = pointers->p2;
    float *p3 = pointers->p3;
    (void)batch;
    UNROLL_SUMS
    for (int j = 0; j < count; j++) {
        const float v0 = sums[j];
        const float v1 = p2[(column + j)];
        const float v2 = v0 + v1;
        p3[row * 8 + (column + j)] = v2;
    }
}

OP void kernel_matmul_0(const float *p0, const float *p1, const float *p2, float *p3)
{
    const struct kernel_matmul_0_pointers pointers = {p0, p1, p2, p3};
    matmul_f32(p0, 0, 16, 1, p1, 0, 8, 1, 1, 8, 8, 16, kernel_matmul_0_end, &pointers);
}

#include "graph_0.h"

char graph_0_buffers[1] __attribute__((section(".bss.buffers"), aligned(64)));
char graph_0_outputs[256] __attribute__((section(".bss.outputs"), aligned(64)));

/* t_2 = MATMUL(input_0, param_1): [8, 16], [16, 8] -> [8, 8]; models/matmul.py:17
   t_4 = ADD(t_2, param_3): [8, 8], [8] -> [8, 8]; models/matmul.py:18 */
OP void op_matmul_0(void)
{
    kernel_matmul_0(input_0, param_1, param_3, t_4);
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
    {(const void *)kernel_matmul_0, "kernel_matmul_0"},
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
