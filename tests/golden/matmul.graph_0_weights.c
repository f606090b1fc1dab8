/* SPDX-License-Identifier: Apache-2.0 */
/* graph_0, weights. Made from graph_0.ir by python -m acalsim_backend.codegen; do not edit. */
#include "graph_0.h"

/* [16, 8], at byte 0x0 of graph_0_weights.bin */
_Static_assert(sizeof param_1 == 512, "param_1");

/* [8], at byte 0x200 of graph_0_weights.bin */
_Static_assert(sizeof param_3 == 32, "param_3");
