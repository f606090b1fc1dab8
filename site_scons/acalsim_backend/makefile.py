# SPDX-License-Identifier: Apache-2.0
"""Prints the Makefile that builds, beside the generated sources, the very ELF that the pipeline builds."""

from __future__ import annotations

import os
from pathlib import Path

from .machine import Machine
from .paths import KERNELS
from .toolchain import ASFLAGS, BUILD_FOLDER, CFLAGS, LDFLAGS, LIBRARIES, RUNTIME_SOURCES, machine_flags

TEMPLATE = """\
# SPDX-License-Identifier: Apache-2.0
# Builds {graph}.elf, .bin and .dump. Made by python -m acalsim_backend.codegen; do not edit.
CROSS_COMPILE ?= riscv64-unknown-elf-
CC := $(CROSS_COMPILE)gcc
KERNELS ?= {kernels}

CFLAGS := {cflags} \\
    -I. -I$(KERNELS) -Wa,-I. \\
    -ffile-prefix-map='$(CURDIR)'={build} -ffile-prefix-map=$(KERNELS)/=kernels/ -ffile-prefix-map=./=
OBJECTS := {objects}

all: {graph}.elf {graph}.bin {graph}.dump

{graph}.elf: $(OBJECTS) {graph}.ld
	$(CC) $(CFLAGS) {ldflags} -T {graph}.ld -Wl,-Map,{graph}.map -o $@ $(OBJECTS) {libraries}

{graph}.bin: {graph}.elf
	$(CROSS_COMPILE)objcopy -O binary $< $@

{graph}.dump: {graph}.elf
	$(CROSS_COMPILE)objdump -d $< > $@

%.o: $(KERNELS)/%.c
	$(CC) $(CFLAGS) -MMD -c $< -o $@
%.o: $(KERNELS)/%.S
	$(CC) $(CFLAGS) {asflags} -MMD -c $< -o $@
%.o: %.c
	$(CC) $(CFLAGS) -MMD -c $< -o $@

{graph}_weights.o: {graph}_weights.bin
{graph}_inputs.o: {graph}_inputs.bin

clean:
	rm -f $(OBJECTS) $(OBJECTS:.o=.d) {graph}.elf {graph}.map {graph}.bin {graph}.dump

.PHONY: all clean
.DELETE_ON_ERROR:
-include $(OBJECTS:.o=.d)
"""


def makefile(graph: str, machine: Machine, folder: Path) -> str:
    stems = [Path(name).stem for name in RUNTIME_SOURCES] + [graph, f"{graph}_weights", f"{graph}_inputs"]
    return TEMPLATE.format(
        graph=graph,
        kernels=os.path.relpath(KERNELS, folder),
        asflags=" ".join(ASFLAGS),
        cflags=" ".join((*machine_flags(machine.cpu.isa), *CFLAGS)),
        ldflags=" ".join(LDFLAGS),
        libraries=" ".join(LIBRARIES),
        objects=" ".join(f"{stem}.o" for stem in stems),
        build=BUILD_FOLDER,
    )
