# SPDX-License-Identifier: Apache-2.0
"""Prints the Makefile that builds, beside the generated sources, the very ELF that the pipeline builds."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from ..host import toolchain
from ..machine.machine import Machine
from ..paths import KERNELS

TEMPLATE = """\
# SPDX-License-Identifier: Apache-2.0
# Builds {graph}.elf, .bin and .dump. Made by python -m acalsim_backend.codegen; do not edit.
CROSS_COMPILE ?= riscv64-unknown-elf-
GCC := $(CROSS_COMPILE)gcc
CC := {compiler}
{kernels}

GCC_FLAGS := {gcc_flags}
CFLAGS := {cflags}
PLACES := -I. -I$(KERNELS) \\
    -ffile-prefix-map="$$PWD"={build} -ffile-prefix-map=$(KERNELS)/=kernels/ -ffile-prefix-map=./=
OBJECTS := {objects}
# Parameters and example inputs, which came as an object file.
VALUES := {graph}_values.obj

all: {graph}.elf {graph}.bin {graph}.dump

{graph}.elf: $(OBJECTS) $(VALUES) {graph}.ld
	$(GCC) $(GCC_FLAGS) {ldflags} -T {graph}.ld -Wl,-Map,{graph}.map -o $@ $(OBJECTS) $(VALUES) {libraries}

{graph}.bin: {graph}.elf
	$(CROSS_COMPILE)objcopy -O binary $< $@

{graph}.dump: {graph}.elf
	$(CROSS_COMPILE)objdump -d $< > $@

%.o: $(KERNELS)/%.c
	$(CC) $(CFLAGS) $(PLACES) -MMD -c $< -o $@
%.o: $(KERNELS)/%.S
	$(GCC) $(GCC_FLAGS) {asflags} $(PLACES) -MMD -c $< -o $@
%.o: %.c
	$(CC) $(CFLAGS) $(PLACES) -MMD -c $< -o $@

clean:
	rm -f $(OBJECTS) $(OBJECTS:.o=.d) {graph}.elf {graph}.map {graph}.bin {graph}.dump

.PHONY: all clean
.DELETE_ON_ERROR:
-include $(OBJECTS:.o=.d)
"""


LINK = """\
# make takes no such names among prerequisites: {path}
$(shell ln -sfn {quoted} .kernels)
KERNELS ?= .kernels"""


def _kernels(path: str) -> str:
    """How KERNELS is set: to the folder's path, or to a link beside the Makefile where make cannot have the path."""
    if re.fullmatch(r"[\w./+-]+", path, re.ASCII):
        return f"KERNELS ?= {path}"
    quoted = shlex.quote(path).replace("$", "$$").replace("#", r"\#")
    return LINK.format(path=path, quoted=quoted)


def makefile(graph: str, machine: Machine, folder: Path) -> str:
    stems = [Path(name).stem for name in toolchain.RUNTIME_SOURCES] + [
        graph,
        f"{graph}_weights",
    ]
    gcc_flags = " ".join(toolchain.gcc_flags())
    compiler, c_flags = toolchain.c_compiler(machine.cpu), " ".join(toolchain.c_flags(machine.cpu))
    return TEMPLATE.format(
        graph=graph,
        kernels=_kernels(os.path.relpath(KERNELS, folder)),
        compiler="$(GCC)" if compiler == "gcc" else compiler,
        gcc_flags=gcc_flags,
        cflags="$(GCC_FLAGS)" if c_flags == gcc_flags else c_flags,
        asflags=" ".join(toolchain.as_flags(machine.cpu)),
        ldflags=" ".join(toolchain.LDFLAGS),
        libraries=" ".join(toolchain.LIBRARIES),
        objects=" ".join(f"{stem}.o" for stem in stems),
        build=toolchain.BUILD_FOLDER,
    )
