# SPDX-License-Identifier: Apache-2.0
"""Prints the linker script of one graph on one machine; the placement check holds the ELF to it."""

from __future__ import annotations

from ..machine.machine import Machine
from ..schedule.memory import high_weights
from ..schedule.plan import Plan

SCRIPT = """\
/* SPDX-License-Identifier: Apache-2.0 */
/* {graph} on machine {machine}. Made by python -m acalsim_backend.codegen; do not edit. */
OUTPUT_ARCH(riscv)
ENTRY(_start)

MEMORY
{{
    RAM (rwx) : ORIGIN = {origin:#x}, LENGTH = {length:#x}
}}

PHDRS
{{
    text PT_LOAD FLAGS(5);
    rodata PT_LOAD FLAGS(4);
    data PT_LOAD FLAGS(6);{weights_segment}
}}

SECTIONS
{{
    .text : {{
        KEEP(*(.text.init))
        __graph_text_start = .;
        *(.text.graph)
        __graph_text_end = .;
        *(.text .text.*)
    }} > RAM :text

    .rodata : ALIGN(0x1000) {{
        *(.rodata .rodata.* .srodata .srodata.*)
    }} > RAM :rodata

{weights_below}    .data : ALIGN(0x1000) {{
        *(.data .data.* .sdata .sdata.*)
    }} > RAM :data

    .inputs : ALIGN(64) {{
        KEEP(*(.inputs))
    }} > RAM :data

    /* Tensors: written before they are read, so nothing clears them. */
    .buffers (NOLOAD) : ALIGN(64) {{
        *(.bss.buffers)
    }} > RAM :data

    .outputs (NOLOAD) : ALIGN(64) {{
        KEEP(*(.bss.outputs))
    }} > RAM :data

    .bss (NOLOAD) : ALIGN(16) {{
        *(.bss.trap_stack) /* nothing on it is read before it is written */
        __bss_start = .;
        *(.bss .bss.* .sbss .sbss.*)
        *(COMMON)
        . = ALIGN(16);
        __bss_end = .;
    }} > RAM :data

    .stack (NOLOAD) : ALIGN(16) {{
        __stack_bottom = .;
        . += {stack:#x};
        __stack_top = .;
    }} > RAM :data

{weights_above}    /DISCARD/ : {{
        *(.note.* .eh_frame .eh_frame_hdr)
    }}
}}
"""


WEIGHTS = """\
    .weights {start}: ALIGN(64) {{
        KEEP(*(.weights))
    }} > RAM :{segment}

"""
ABOVE = """\
    /* Behind what QEMU's board puts at the end of its first GiB. */
"""


def linker_script(graph: str, plan: Plan, machine: Machine) -> str:
    high = high_weights(plan)
    return SCRIPT.format(
        weights_segment="\n    weights PT_LOAD FLAGS(4);" if high else "",
        weights_below="" if high else WEIGHTS.format(start="", segment="rodata"),
        weights_above=ABOVE + WEIGHTS.format(start=f"{high:#x} ", segment="weights") if high else "",
        graph=graph,
        machine=machine.name,
        origin=machine.ram.origin,
        length=machine.ram.size_bytes,
        stack=machine.stack_bytes,
    )
