# SPDX-License-Identifier: Apache-2.0
"""IR and plan in, bare-metal C out: graph_0.c, .h, _weights.c, _weights.bin, _inputs.c, .ld, Makefile.

    python -m acalsim_backend.codegen code CAPTURE_DIR OUT_DIR --machine NAME   what follows from graph_0.ir alone
    python -m acalsim_backend.codegen data CAPTURE_DIR OUT_DIR --machine NAME   what holds values

With --keep-all the program leaves the result of every op in its output block; kept.json says where.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from . import kernels
from .emit import C_TYPES, Site, literal
from .errors import run_room
from .files import read_json, write_atomic
from .headers import machine_header, registers_header
from .ir import ACALSimIR, parse
from .kernel import Kernel
from .ldscript import linker_script
from .machine import Machine, load_machine
from .makefile import makefile
from .offload.choices import read_choices
from .offload.command import Address, Command
from .offload.target import pack
from .plan import ALIGNMENT, Plan, kept_json, make_plan, plan_json

LARGEST_ARRAY = 4096
"""Elements; larger parameters are included as binary, which compiles at the speed of a copy."""


class RISCVCodeGenerator:
    """Writes the C program of a graph into `output_dir`."""

    def __init__(
        self, output_dir: str | os.PathLike = "output", machine: str = "default", library: str | None = None
    ):
        self.output_dir, self.library = Path(output_dir), library
        self.machine = load_machine(machine)

    def generate(self, ir: ACALSimIR, name: str | None = None, inputs: bytes | None = None) -> list[Path]:
        """Write all files of `ir` and return their paths; `inputs` is the example input block.

        Raises PlanError when the machine has too little RAM.
        """
        plan = make_plan(ir.verify(), self.machine, library=self.library)
        size = plan.blocks[".inputs"]
        weights = {param: ir.constants[param].tobytes() for param in ir.params}
        files = {
            **code_files(ir, plan, self.machine, self.output_dir),
            **data_files(ir, plan, weights, inputs or bytes(size)),
        }
        return write_files(files, self.output_dir)


def code_files(ir: ACALSimIR, plan: Plan, machine: Machine, folder: Path) -> dict[str, str]:
    """The files that follow from the graph and the machine; no value of a parameter is in them."""
    return {
        f"{ir.name}.c": c_source(ir, plan, machine),
        f"{ir.name}.h": c_header(ir, plan),
        f"{ir.name}.ld": linker_script(ir.name, plan, machine),
        f"{ir.name}.ir": str(ir),
        "Makefile": makefile(ir.name, machine, folder),
        "plan.json": json.dumps(plan_json(ir, plan, machine), indent=1) + "\n",
        "machine.h": machine_header(machine),
        "registers.h": registers_header(),
    }


def data_files(
    ir: ACALSimIR, plan: Plan, weights: Mapping[str, bytes], inputs: bytes
) -> dict[str, str | bytes]:
    """The files that hold values: the parameters and the example inputs."""
    packed = plan.schedule.packed
    weights = {name: pack(packed[name], data) if name in packed else data for name, data in weights.items()}
    block, offsets = bytearray(), {}
    for name in ir.params:
        block.extend(b"\0" * (-len(block) % ALIGNMENT))
        offsets[name] = len(block)
        block.extend(weights[name])
    arrays = [_weight(ir, name, weights[name], offsets[name]) for name in ir.params if weights[name]]
    return {
        f"{ir.name}_weights.bin": bytes(block),
        f"{ir.name}_weights.c": "\n".join([banner(ir, "weights"), f'#include "{ir.name}.h"\n', *arrays]),
        f"{ir.name}_inputs.bin": inputs,
        f"{ir.name}_inputs.c": _inputs_source(ir, plan),
    }


def banner(ir: ACALSimIR, what: str) -> str:
    return (
        "/* SPDX-License-Identifier: Apache-2.0 */\n"
        f"/* {ir.name}, {what}. Made from {ir.name}.ir by python -m acalsim_backend.codegen; do not edit. */"
    )


# --- graph_0.h and graph_0.c --------------------------------------------------------------------


def c_header(ir: ACALSimIR, plan: Plan) -> str:
    """Where each tensor lies, and the program's three functions."""
    upper = ir.name.upper()
    lines = [banner(ir, "tensors"), f"#ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n"]
    lines += [
        f"#define {upper}_{kind.upper()}_BYTES {plan.blocks['.' + kind]}" for kind in ("inputs", "outputs")
    ]
    lines += ["", f"extern char {ir.name}_inputs[], {ir.name}_buffers[], {ir.name}_outputs[];", ""]
    lines += [_storage_line(ir, plan, name) for name in plan.places]
    lines += [
        "",
        f"void {ir.name}_init(void);",
        "/* Both point to a block of all tensors of their kind, each at a multiple of 64 bytes. */",
        f"void {ir.name}_forward(const void *inputs, void *outputs);",
        f"void {ir.name}_cleanup(void);",
        "\n#endif\n",
    ]
    return "\n".join(lines)


def _storage_line(ir: ACALSimIR, plan: Plan, name: str) -> str:
    desc, place = plan.schedule.storages[name], plan.places[name]
    kind = C_TYPES[desc.dtype]
    if not desc.elements:
        return f"#define {name} (({kind} *){ir.name}_buffers) /* {list(desc.shape)}, empty */"
    if desc.is_param:
        return f"extern const {kind} {name}[{desc.elements}]; /* {list(desc.shape)} */"
    return f"#define {name} (({kind} *)({place.symbol} + {place.offset:#x})) /* {list(desc.shape)} */"


def c_source(ir: ACALSimIR, plan: Plan, machine: Machine) -> str:
    """The program: one function a kernel, called in order by graph_0_forward."""
    program = _Program(plan)
    upper = ir.name.upper()
    return "\n".join(
        [
            banner(ir, "program"),
            "#include <math.h>\n#include <string.h>\n",
            *(
                f'#include "{name}"'
                for name in (
                    "mmio.h",
                    "runtime.h",
                    *(["compute.h"] if machine.device("compute") else []),
                    "loops.h",
                    *sorted(program.headers),
                )
            ),
            '\n#define OP static NOINLINE __attribute__((section(".text.graph")))\n',
            *program.kernel_functions(),
            # Tensors are macros, so what does not name them comes before.
            f'#include "{ir.name}.h"\n',
            *(
                f"char {ir.name}_{kind}[{max(plan.blocks['.' + kind], 1)}] "
                f'__attribute__((section(".bss.{kind}"), aligned({ALIGNMENT})));'
                for kind in ("buffers", "outputs")
            ),
            "",
            *program.op_functions(),
            *_init(ir, machine),
            *_forward(ir, program.calls(), upper),
            f"void {ir.name}_cleanup(void)\n{{\n}}\n",
            *_symbols(ir, program.symbols()),
            f"int main(void)\n{{\n    {ir.name}_init();",
            f"    {ir.name}_forward({ir.name}_inputs, {ir.name}_outputs);",
            f"    {ir.name}_cleanup();\n    return 0;\n}}\n",
        ]
    )


class _Program:
    """The kernels' functions. Kernels that differ in their addresses only share one, which is named after the first."""

    def __init__(self, plan: Plan):
        self.schedule = plan.schedule
        self.headers: set[str] = set()
        self.texts: dict[str, str] = {}
        self.kernels: list[tuple[Kernel, str, list[str]]] = []
        for kernel in self.schedule.kernels:
            if kernel.device:
                self.kernels.append((kernel, "", []))
                continue
            site = Site(self.schedule, kernel, plan.places)
            text = self._text(site)
            function = self.texts.setdefault(text, f"kernel_{kernel.name}")
            self.kernels.append((kernel, function, site.arguments()))
            self.headers |= site.headers | ({kernel.row.header} - {None})

    @staticmethod
    def _text(site: Site) -> str:
        """A kernel as C, with KERNEL where its name belongs."""
        body = (site.kernel.row.kernel or kernels.pointwise)(site) if site.output.elements else []
        parameters = site.parameters()
        fields = (
            []
            if not site.functions
            else ["struct KERNEL_pointers {", *(f"    {each};" for each in parameters), "};"]
        )
        used = set(re.findall(r"\bp\d+\b", "\n".join(body)))
        unused = [f"    (void){name};" for name in site.pointers.values() if name not in used]
        head = "OP void"
        if "elementary.h" in site.headers | {site.kernel.row.header} and not site.functions:
            head, body = "CHAINS OP void", [line.replace("EACH_ELEMENT", "EACH_CHAIN") for line in body]
        return "\n".join(
            [
                *fields,
                *site.functions,
                f"{head} KERNEL({', '.join(parameters) or 'void'})",
                "{",
                *unused,
                *(f"    {line}" for line in body),
                "}",
            ]
        )

    def kernel_functions(self) -> list[str]:
        """Never inlined: gcc 12 gets loops wrong whose two pointers it knows to lie in one object (in ivopts)."""
        return [text.replace("KERNEL", function) + "\n" for text, function in self.texts.items()]

    def op_functions(self) -> list[str]:
        lines = []
        for kernel, function, arguments in self.kernels:
            if kernel.device:
                lines += self._device_functions(kernel)
                continue
            lines += [
                *self._comment(kernel),
                f"OP void op_{kernel.name}(void)\n{{",
                f"    {function}({', '.join(arguments)});",
                "}\n",
            ]
        return lines

    def _device_functions(self, kernel: Kernel) -> list[str]:
        """The lists of an op on devices, the function that starts them and, of an op that others run beside, the one that waits."""
        lists, starts, waits = [], [], []
        for index, (device, commands) in enumerate(self.schedule.offloaded[kernel.name].lists):
            name = f"list_{kernel.name}" + (f"_{index}" if index else "")
            lists += self._device_list(name, commands)
            arguments = f"({device.name.upper()}_DEVICE_BASE, {name}, sizeof {name});"
            starts.append(f"    compute_start{arguments}")
            waits.append(f"    compute_wait{arguments}")
        if len(starts) == 1 and kernel.name not in self.schedule.spread.side_by_side:
            starts, waits = [starts[0].replace("compute_start", "compute_run")], []
        apart = (
            ["}\n", f"OP void op_{kernel.name}_wait(void)\n{{"]
            if kernel.name in self.schedule.spread.side_by_side
            else []
        )
        return [
            *lists,
            *self._comment(kernel),
            f"OP void op_{kernel.name}(void)\n{{",
            *starts,
            *apart,
            *waits,
            "}\n",
        ]

    def calls(self) -> list[str]:
        """The ops' functions in the order in which they are called."""
        found = []
        for step in self.schedule.spread.steps:
            found += [f"op_{kernel.name}" for kernel in step]
            found += [f"op_{kernel.name}_wait" for kernel in step if len(step) > 1]
        return found

    @staticmethod
    def _device_list(name: str, commands: Iterable[Command]) -> list[str]:
        def place(address: Address) -> str:
            return f"(uint64_t)((const char *){address.storage} + {address.offset:#x})"

        return [
            f"static const struct DeviceCommand {name}[] = {{",
            *(f"    {command.c_text(place)}," for command in commands),
            "};",
        ]

    def _comment(self, kernel: Kernel) -> list[str]:
        tensors = self.schedule.ir.tensors
        rows = []
        for op in kernel.ops:
            shapes = ", ".join(str(list(tensors[name].shape)) for name in op.inputs)
            rows.append(
                f"{op}: {shapes} -> {list(tensors[op.outputs[0]].shape)}{f'; {op.source}' if op.source else ''}"
            )
        return ["/* " + "\n   ".join(rows) + " */"]

    def symbols(self) -> list[str]:
        """All functions of the graph, for the names of traps."""
        return [*self.calls(), *self.texts.values()]


def _init(ir: ACALSimIR, machine: Machine) -> list[str]:
    devices = [device for device in machine.devices if device.model != "echo"]
    lines = [f"void {ir.name}_init(void)\n{{"]
    for device in devices:
        base = f"{device.name.upper()}_DEVICE_BASE"
        lines.append(f"    MMIO_WRITE32({base} + REG_CONTROL, CONTROL_RESET);")
        lines.append(f"    while (MMIO_READ32({base} + REG_STATUS) & STATUS_BUSY)\n        ;")
    return [*lines, "}\n"]


def _forward(ir: ACALSimIR, functions: Iterable[str], upper: str) -> list[str]:
    return [
        f'__attribute__((section(".text.graph"))) void {ir.name}_forward(const void *inputs, void *outputs)\n{{',
        f"    if (inputs != {ir.name}_inputs)\n        memcpy({ir.name}_inputs, inputs, {upper}_INPUTS_BYTES);",
        *(f"    {function}();" for function in functions),
        f"    if (outputs != {ir.name}_outputs)\n        memcpy(outputs, {ir.name}_outputs, {upper}_OUTPUTS_BYTES);",
        "}\n",
    ]


def _symbols(ir: ACALSimIR, functions: Iterable[str]) -> list[str]:
    names = [*functions, f"{ir.name}_forward"]
    return [
        "/* What a trap's place is named after. */",
        "const struct symbol graph_symbols[] = {",
        *(f'    {{(const void *){name}, "{name}"}},' for name in names),
        "};",
        f"const unsigned graph_symbol_count = {len(names)};\n",
    ]


# --- values -------------------------------------------------------------------------------------


def _weight(ir: ACALSimIR, name: str, data: bytes, offset: int) -> str:
    desc = ir.tensors[name]
    values = memoryview(data).cast(
        {"float32": "f", "int64": "q", "int32": "i", "int8": "b", "bool": "B"}[desc.dtype]
    )
    small = len(values) <= LARGEST_ARRAY and all(map(math.isfinite, values))
    if not small:
        return incbin(name, ".weights", '"a"', f"{ir.name}_weights.bin", offset, len(data))
    rows = [", ".join(literal(value) for value in values[i : i + 8]) for i in range(0, len(values), 8)]
    body = ",\n".join(f"    {row}" for row in rows)
    head = f"const {C_TYPES[desc.dtype]} {name}[{desc.elements}]"
    return f'/* {list(desc.shape)} */\n{head} __attribute__((section(".weights"), aligned({ALIGNMENT}))) = {{\n{body}}};\n'


def incbin(symbol: str, section: str, flags: str, file: str, offset: int, size: int) -> str:
    """Top-level assembly that includes `size` bytes of `file` as the object `symbol`."""
    lines = (
        f".pushsection {section},{flags},@progbits",
        f".balign {ALIGNMENT}",
        f".globl {symbol}",
        f".type {symbol}, @object",
        f".size {symbol}, {size}",
        f"{symbol}:",
        f'.incbin "{file}", {offset}, {size}',
        ".popsection",
    )
    return "__asm__(\n" + "\n".join("    " + json.dumps(line + "\n") for line in lines) + ");\n"


def _inputs_source(ir: ACALSimIR, plan: Plan) -> str:
    size = plan.blocks[".inputs"]
    if not size:
        block = f'char {ir.name}_inputs[1] __attribute__((section(".inputs"), aligned({ALIGNMENT})));\n'
    else:
        block = incbin(f"{ir.name}_inputs", ".inputs", '"aw"', f"{ir.name}_inputs.bin", 0, size)
    return "\n".join([banner(ir, "example inputs"), f'#include "{ir.name}.h"\n', block])


# --- files and the command line -----------------------------------------------------------------


def write_files(files: Mapping[str, str | bytes], folder: Path) -> list[Path]:
    for name, content in files.items():
        write_atomic(folder / name, content)
    return [folder / name for name in files]


def placed_inputs(ir: ACALSimIR, plan: Plan, tensors: Sequence[bytes]) -> bytes:
    """The input block: each tensor's bytes where the plan has it."""
    block = bytearray(plan.blocks[".inputs"])
    for name, data in zip(ir.inputs, tensors, strict=True):
        offset = plan.place(name).offset
        block[offset : offset + len(data)] = data
    return bytes(block)


def captured_tensors(folder: Path, file: str, rows: list[dict]) -> dict[str, bytes]:
    data = (folder / file).read_bytes()
    return {row["name"]: data[row["offset"] : row["offset"] + row["size_bytes"]] for row in rows}


def captured_data(ir: ACALSimIR, plan: Plan, folder: Path) -> dict[str, str | bytes]:
    index = read_json(folder / "capture.json")
    weights = captured_tensors(folder, "graph_0_weights.bin", index["weights"])
    inputs = captured_tensors(folder, "inputs.bin", index["inputs"])
    return data_files(ir, plan, weights, placed_inputs(ir, plan, [inputs[name] for name in ir.inputs]))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="acalsim_backend.codegen", description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=("code", "data"))
    parser.add_argument("capture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--machine", default="default")
    parser.add_argument("--keep-all", action="store_true")
    parser.add_argument("--library", help="the embedded engine, which times tilings for a compute device")
    parser.add_argument(
        "--tiling", type=Path, help="NAME.tiling.toml: tilings and places of ops that are not to be searched"
    )
    options = parser.parse_args(arguments)
    machine = load_machine(options.machine)
    ir = parse((options.capture / "graph_0.ir").read_text())
    plan = make_plan(
        ir, machine, options.keep_all, options.library, read_choices(options.tiling, machine.name)
    )
    if options.part == "code":
        files = code_files(ir, plan, machine, options.out)
        if options.keep_all:
            files["kept.json"] = json.dumps(kept_json(plan), indent=1) + "\n"
    else:
        files = captured_data(ir, plan, options.capture)
    write_files(files, options.out)
    return 0


if __name__ == "__main__":
    run_room(main)
