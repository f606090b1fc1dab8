/* SPDX-License-Identifier: Apache-2.0 */
/* graph_0, example inputs. Made from graph_0.ir by python -m acalsim_backend.codegen; do not edit. */
#include "graph_0.h"

__asm__(
    ".pushsection .inputs,\"aw\",@progbits\n"
    ".balign 64\n"
    ".globl graph_0_inputs\n"
    ".type graph_0_inputs, @object\n"
    ".size graph_0_inputs, 512\n"
    "graph_0_inputs:\n"
    ".incbin \"graph_0_inputs.bin\", 0, 512\n"
    ".popsection\n");
