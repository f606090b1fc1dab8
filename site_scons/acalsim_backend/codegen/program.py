# SPDX-License-Identifier: Apache-2.0
"""A plan in, the C of its program out: graph_0.h, which says where tensors lie, and graph_0.c."""

from __future__ import annotations

from collections.abc import Iterable

from ..alignment import ALIGNMENT, aligned
from ..ir.graph import ACALSimIR
from ..ir.kernel import Kernel
from ..ir.literals import C_TYPES
from ..machine.machine import Machine
from ..offload.command import Address, Command
from ..offload.places import at_home
from ..offload.run import Run
from ..offload.vector.transfer import Homes
from ..schedule.carried import copies
from ..schedule.plan import Plan
from ..schedule.plan_file import PlanFile
from .banner import banner
from .driver import Driver, register_names, resumed, watched_call, watched_tensors
from .printers import PRINTERS
from .printers.pointwise import pointwise
from .site import Site

# --- graph_0.h and graph_0.c --------------------------------------------------------------------


def c_header(ir: ACALSimIR, plan: Plan) -> str:
    """Where each tensor lies, and the program's three functions."""
    upper = ir.name.upper()
    lines = [banner(ir.name, "tensors"), f"#ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n"]
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
    desc, place = plan.storages[name], plan.places[name]
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
    text = "\n".join(
        [
            banner(ir.name, "program"),
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
            *(line for device in sorted(program.driven) for line in register_names(device)),
            '\n#define OP static NOINLINE __attribute__((section(".text.graph")))\n',
            *program.declarations,
            *program.kernel_functions(),
            # Tensors are macros, so what does not name them comes before.
            f'#include "{ir.name}.h"\n',
            *(
                f"char {ir.name}_{kind}[{max(plan.blocks['.' + kind], 1)}] "
                f'__attribute__((section(".bss.{kind}"), aligned({ALIGNMENT})));'
                for kind in ("buffers", "outputs")
            ),
            "",
            *(watched_tensors(plan) if program.driven and plan.keep_all else []),
            *program.op_functions(),
            *_init(ir, machine),
            *_forward(plan, program, upper),
            f"void {ir.name}_cleanup(void)\n{{\n}}\n",
            *_symbols(ir, program.symbols()),
            f"int main(void)\n{{\n    {ir.name}_init();",
            f"    {ir.name}_forward({ir.name}_inputs, {ir.name}_outputs);",
            f"    {ir.name}_cleanup();\n    return 0;\n}}\n",
        ]
    )
    return resumed(text, f"{ir.name}.c")


def c_weights(ir: ACALSimIR, plan: PlanFile) -> str:
    """Where each parameter lies in the file of their values; the compiler holds the sizes to graph_0.h."""
    lines, end = [banner(ir.name, "weights"), f'#include "{ir.name}.h"\n'], 0
    for row in plan.weights:
        start, size = aligned(end), ir.tensors[row.name].size_bytes
        end = start + size
        if size:
            order = f" in blocks of {row.packed.height} by {row.packed.width}" if row.packed else ""
            where = f"at byte {start:#x} of {ir.name}_weights.bin"
            lines.append(f"/* {list(row.shape)}{order}, {where} */")
            lines.append(f'_Static_assert(sizeof {row.symbol} == {size}, "{row.symbol}");\n')
    return "\n".join(lines)


class _Program:
    """The kernels' functions.

    Kernels that differ in nothing but their addresses share one, which is named after the first of them.
    """

    def __init__(self, plan: Plan):
        self.plan = plan
        self.headers: set[str] = set()
        self.texts: dict[str, str] = {}
        self.kernels: list[tuple[Kernel, str, list[str]]] = []
        self.driven: set[str] = set()
        self.declarations: dict[str, None] = {}
        for kernel in self.plan.kernels:
            if kernel.driven:
                self._drive(kernel, kernel.driven)
                continue
            if kernel.device:
                self.kernels.append((kernel, "", []))
                continue
            site = Site(self.plan, kernel, plan.places)
            text = self._text(site)
            function = self.texts.setdefault(text, f"kernel_{kernel.name}")
            self.kernels.append((kernel, function, site.arguments()))
            self.headers |= site.headers | ({kernel.row.header} if kernel.row.header else set())

    def _drive(self, kernel: Kernel, device: str) -> None:
        """A kernel that is a rule's."""
        driver = Driver(self.plan, kernel)
        function = self.texts.setdefault(driver.function, f"kernel_{kernel.name}")
        self.kernels.append((kernel, function, list(driver.arguments())))
        self.headers.add("rule.h")
        self.driven.add(device)
        self.declarations |= dict.fromkeys(filter(None, [driver.declarations]))

    @staticmethod
    def _text(site: Site) -> str:
        """A kernel as C, with KERNEL where its name belongs."""
        body = PRINTERS.get(site.op.op_type, pointwise)(site) if site.output.elements else []
        parameters = site.parameters()
        fields = (
            []
            if not site.functions
            else ["struct KERNEL_pointers {", *(f"    {each};" for each in parameters), "};"]
        )
        head = "CHAINS OP void" if site.has_chains and not site.functions else "OP void"
        return "\n".join(
            [
                *fields,
                *site.functions,
                f"{head} KERNEL({', '.join(parameters) or 'void'})",
                "{",
                *(f"    {line}" for line in body),
                "}",
            ]
        )

    def kernel_functions(self) -> list[str]:
        """The functions of all kernels, which are never inlined.

        gcc 12 compiles a loop wrongly (in ivopts) if it knows that two pointers lie in one object.
        """
        return [text.replace("KERNEL", function) + "\n" for text, function in self.texts.items()]

    def op_functions(self) -> list[str]:
        lines = []
        runs = {run.kernels[0]: run for run in self.plan.runs}
        in_runs = {name for run in self.plan.runs for name in run.kernels}
        for kernel, function, arguments in self.kernels:
            if kernel.name in runs:
                lines += self._run_function(runs[kernel.name])
            if kernel.name in in_runs:
                continue
            if kernel.device:
                lines += self._device_functions(kernel)
                continue
            lines += [
                *self._comment(kernel),
                f"OP void op_{kernel.name}(void)\n{{",
                *self._call(kernel, f"    {function}({', '.join(arguments)});"),
                "}\n",
            ]
        return lines

    def _call(self, kernel: Kernel, call: str) -> list[str]:
        return watched_call(self.plan, kernel, call) if kernel.driven else [call]

    def _run_function(self, run: Run) -> list[str]:
        """The one list of a run, and the function that starts it and waits, named after the first op."""
        by_name = {kernel.name: kernel for kernel in self.plan.kernels}
        ((device, _),) = self.plan.offloaded[run.kernels[0]].lists
        name = f"list_{run.kernels[0]}"
        return [
            *self._device_list(name, run.commands, run.homes),
            *(line for each in run.kernels for line in self._comment(by_name[each])),
            f"OP void op_{run.kernels[0]}(void)\n{{",
            f"    compute_run({device.name.upper()}_DEVICE_BASE, {name}, sizeof {name});",
            "}\n",
        ]

    def _device_functions(self, kernel: Kernel) -> list[str]:
        """The lists of an op on devices, and the function that starts them and waits.

        An op that others run beside has a second function, which waits.
        """
        lists, starts, waits = [], [], []
        for index, (device, commands) in enumerate(self.plan.offloaded[kernel.name].lists):
            name = f"list_{kernel.name}" + (f"_{index}" if index else "")
            lists += self._device_list(name, commands)
            arguments = f"({device.name.upper()}_DEVICE_BASE, {name}, sizeof {name});"
            starts.append(f"    compute_start{arguments}")
            waits.append(f"    compute_wait{arguments}")
        if len(starts) == 1 and kernel.name not in self.plan.teams.side_by_side:
            starts, waits = [starts[0].replace("compute_start", "compute_run")], []
        apart = (
            ["}\n", f"OP void op_{kernel.name}_wait(void)\n{{"]
            if kernel.name in self.plan.teams.side_by_side
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
        return [name for each in self.parts() for name in each]

    def parts(self) -> tuple[list[str], list[str]]:
        """Those called once, and those of every round of the loop."""
        found: tuple[list[str], list[str]] = [], []
        within = {name for run in self.plan.runs for name in run.kernels[1:]}
        for number, step in enumerate(self.plan.teams.steps):
            if step[0].name in within:
                continue
            start = self.plan.loop_step
            part = found[start is not None and number >= start]
            part += [f"op_{kernel.name}" for kernel in step]
            part += [f"op_{kernel.name}_wait" for kernel in step if len(step) > 1]
        return found

    def _device_list(self, name: str, commands: Iterable[Command], homes: Homes | None = None) -> list[str]:
        homes = homes or {}

        def place(address: Address) -> str:
            if address.storage in homes and not address.in_ram:
                base = self.plan.target.devices[0].base
                return f"{at_home(base, homes[address.storage] + address.offset):#x}"
            return f"(uint64_t)((const char *){address.storage} + {address.offset:#x})"

        return [
            f"static const struct DeviceCommand {name}[] = {{",
            *(f"    {command.c_text(place)}," for command in commands),
            "};",
        ]

    def _comment(self, kernel: Kernel) -> list[str]:
        tensors = self.plan.ir.tensors
        rows = []
        for op in kernel.ops:
            shapes = ", ".join(str(list(tensors[name].shape)) for name in op.inputs)
            source = f"; {op.source}" if op.source else ""
            rows.append(f"{op}: {shapes} -> {list(tensors[op.outputs[0]].shape)}{source}")
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


def _forward(plan: Plan, program: _Program, upper: str) -> list[str]:
    name = plan.ir.name
    inputs, outputs = f"{name}_inputs", f"{name}_outputs"
    once, each_round = program.parts()
    return [
        f'__attribute__((section(".text.graph"))) void {name}_forward(const void *inputs, void *outputs)\n{{',
        f"    if (inputs != {inputs})\n        memcpy({inputs}, inputs, {upper}_INPUTS_BYTES);",
        *(f"    {function}();" for function in once),
        *(_rounds(plan, each_round) if plan.ir.loop else []),
        f"    if (outputs != {outputs})\n        memcpy(outputs, {outputs}, {upper}_OUTPUTS_BYTES);",
        "}\n",
    ]


def _rounds(plan: Plan, functions: Iterable[str]) -> list[str]:
    """The loop, with the clock before it and after each round."""
    assert plan.ir.loop and plan.times
    moved, times = copies(plan), f"(uint64_t *)({plan.times.symbol} + {plan.times.offset:#x})"

    def copied(names: Iterable[tuple[str, str]], indent: str) -> list[str]:
        return [
            f"{indent}copy_words((void *){to}, (const void *){name}, {plan.storages[to].size_bytes});"
            for name, to in names
        ]

    return [
        *copied(moved.before, "    "),
        f"    uint64_t *times = {times};",
        "    *times++ = read_cycles();",
        f"    for (unsigned round = 0; round < {plan.ir.loop.rounds}; round++) {{",
        *(f"        {function}();" for function in functions),
        *copied(moved.after, " " * 8),
        "        *times++ = read_cycles();",
        "    }",
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
