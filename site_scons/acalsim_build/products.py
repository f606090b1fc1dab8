# SPDX-License-Identifier: Apache-2.0
"""What each stage makes: a field for each file, first its path, after the builder call its node."""

from pathlib import Path
from typing import Any


class Files:
    """A kind of what is made: each annotation is a file, in their order, its default a name in the stage's folder."""

    names: tuple[str, ...] = ()

    def __init_subclass__(cls):
        cls.names += tuple(vars(cls).get("__annotations__", ()))

    def __init__(self, *files):
        vars(self).update(zip(self.names, files, strict=True))

    @classmethod
    def at(cls, folder):
        """The files' paths in `folder`."""
        return cls(*(f"{folder}/{getattr(cls, name)}" for name in cls.names))

    def __iter__(self):
        return (getattr(self, name) for name in self.names)

    def as_nodes(self, nodes):
        """The same files as the nodes that a builder made of their paths."""
        return type(self)(*nodes)


class Captured(Files):
    """What PyTorch says of a model, and what was read to say it."""

    ir: Any = "graph_0.ir"
    weights: Any = "graph_0_weights.bin"
    inputs: Any = "inputs.bin"
    outputs: Any = "outputs.bin"
    index: Any = "capture.json"
    read: Any = "read.txt"
    installed: Any = "installed.txt"


class Intermediates(Files):
    """What PyTorch computed at every op."""

    index: Any = "intermediates.json"
    values: Any = "intermediates.bin"


class Code(Files):
    """The generated program, but for its values."""

    program: Any = "graph_0.c"
    header: Any = "graph_0.h"
    weights: Any = "graph_0_weights.c"
    script: Any = "graph_0.ld"
    makefile: Any = "Makefile"
    plan: Any = "plan.json"
    ir: Any = "graph_0.ir"
    machine: Any = "machine.h"
    registers: Any = "registers.h"


class KeepingCode(Code):
    """The same of a program that keeps every op's result."""

    kept: Any = "kept.json"


class Data(Files):
    """The values of parameters and example inputs."""

    weights: Any = "graph_0_weights.bin"
    inputs: Any = "graph_0_inputs.bin"
    values: Any = "graph_0_values.obj"


class Firmware(Files):
    elf: Any
    map: Any


class Run(Files):
    """What a simulation left behind."""

    statistics: Any = "run.json"
    spans: Any = "spans.bin"
    outputs: Any = "outputs.bin"
    times: Any = "host.json"
    console: Any = "console.log"
    log: Any = "simulator.log"


class Report(Files):
    report: Any
    times: Any
    ops: Any
    trace: Any
    page: Any


class Table(Files):
    """What a sweep found."""

    csv: Any
    page: Any


class ParquetTable(Table):
    parquet: Any


class OwnDevice(Files):
    """The library NAME.so of a device of the user's, and the files that it is made from."""

    library: Any
    reads: Any

    @property
    def name(self):
        return Path(str(self.library)).stem


class Host(Files):
    """What runs on this computer: the watcher of captures, and what every simulation loads."""

    watch: Any
    plugin: Any
    library: Any
    qemu: Any
    """QEMU's own word that it takes the plugin."""
    sst: Any

    @property
    def for_simulation(self):
        return [self.plugin, self.library, self.qemu, self.sst]
