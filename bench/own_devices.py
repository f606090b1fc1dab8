# SPDX-License-Identifier: Apache-2.0
"""What a device of the user's costs: the Echo device built in, as a library, and in Python; and what RTL costs.

    python bench/own_devices.py [--accesses N] [--rounds N]

Each round writes DATA_IN and reads DATA_OUT, which waits for the device; the best round of each counts. The systolic
array of examples/devices, 16 x 16 in SystemVerilog, multiplies 64 x 64 by 64 x 64; its library is built before.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from acalsim_backend.host import own
from acalsim_backend.host.engine import library_for_compiling
from acalsim_backend.host.library import load
from acalsim_backend.machine.file import load_machine
from acalsim_backend.own.bench import Bench
from acalsim_backend.paths import ROOT, SIM

PYTHON = """
from acalsim_backend.device import Device, Parameter

class Echo(Device):
    latency_cycles = Parameter(10, 0, 1 << 32, "from DATA_IN to DATA_OUT")

    def on_write(self, register, value):
        self.STATUS = 1
        self.after(self.latency_cycles, lambda: self.end(value))

    def end(self, value):
        self.DATA_OUT = value
        self.done()
"""
MACHINE = "[devices.echo]\nbase = 0x10200000\n"


def machine_with(folder):
    (folder / "echo.cc").write_text(
        "//@ parameter latency_cycles = 10 in 0..0x100000000: from DATA_IN to DATA_OUT\n"
        + (SIM / "model/echo.cc").read_text()
    )
    (folder / "echo.py").write_text(PYTHON)
    own_tables = "".join(f'[devices.{name}]\nmodel = "echo.{name}"\n' for name in ("cc", "py"))
    (folder / "echo.toml").write_text(MACHINE + own_tables)
    return load_machine(str(folder / "echo.toml"))


def round_s(engine, base, accesses):
    started = time.perf_counter()
    for value in range(accesses):
        engine.write(base, value)
        engine.read(base + 4)
    return (time.perf_counter() - started) / accesses


def product_s(rounds):
    """The best of so many products of 64 x 64 by 64 x 64 on the array in SystemVerilog, and its cycles."""
    machine = load_machine(str(ROOT / "examples/devices/systolic/systolic.toml"))
    own.libraries(machine, {})
    best = float("inf")
    with Bench(machine, "systolic") as bench:
        a, b, c = (bench.ram + place for place in (0, 0x10000, 0x20000))
        bench.put(a, np.arange(2 * 64 * 64).astype("i1"))
        for _ in range(rounds):
            started = time.perf_counter()
            job = bench.run(A=a, B=b, C=c, M=64, N=64, K=64)
            best = min(best, time.perf_counter() - started)
    return best, job.cycles


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--accesses", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        machine = machine_with(Path(folder))
        models = own.models(machine, own.libraries(machine, {}))
        engine = load(library_for_compiling()).Engine(**machine.ram.timing)
        for device in machine.devices:
            engine.add_device(models[device.name], device.name, device.base, dict(device.parameters))
        bases = {device.name: device.base for device in machine.devices}
        rounds = [
            {name: round_s(engine, base, options.accesses) for name, base in bases.items()}
            for _ in range(options.rounds)
        ]
    best = {name: min(each[name] for each in rounds) for name in bases}
    for name, what in (("echo", "built in"), ("cc", "a library"), ("py", "in Python")):
        print(
            f"{what:10} {best[name] * 1e9:8.0f} ns a write and a read, {best[name] / best['echo']:.2f} times"
        )
    seconds, cycles = product_s(options.rounds)
    print(
        f"{'an array':10} {seconds * 1e3:8.0f} ms a product of 64 x 64 by 64 x 64 in SystemVerilog, {cycles} cycles"
    )


if __name__ == "__main__":
    main()
