/* SPDX-License-Identifier: Apache-2.0 */
/* graph_0, tensors. Made from graph_0.ir by python -m acalsim_backend.codegen; do not edit. */
#ifndef GRAPH_0_H
#define GRAPH_0_H

#include <stdint.h>

#define GRAPH_0_INPUTS_BYTES 512
#define GRAPH_0_OUTPUTS_BYTES 256

extern char graph_0_inputs[], graph_0_buffers[], graph_0_outputs[];

extern const float param_1[128]; /* [16, 8] */
extern const float param_3[8]; /* [8] */
#define input_0 ((float *)(graph_0_inputs + 0x0)) /* [8, 16] */
#define t_4 ((float *)(graph_0_outputs + 0x0)) /* [8, 8] */

void graph_0_init(void);
/* Both point to a block of all tensors of their kind, each at a multiple of 64 bytes. */
void graph_0_forward(const void *inputs, void *outputs);
void graph_0_cleanup(void);

#endif
