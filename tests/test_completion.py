# SPDX-License-Identifier: Apache-2.0
"""Completion by stall, by polling and by interrupt: the same work, and cycles that no host can change."""

import os
import signal
import subprocess
import sys

import pytest
from acalsim_backend.errors import MachineError, SimulateError
from acalsim_backend.machine.file import load_machine
from driver_fixtures import SYMBOLS, outputs_wanted, product
from qemu_fixtures import NO_SYMBOLS, ROOT, Simulator, firmware_of
from simulator_fixtures import (
    CONTROL,
    ECHO,
    WAIT,
    request,
)

WORDS = ("stall", "poll", "interrupt")
DEFAULT = (ROOT / "sim/machines/default.toml").read_text()


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Compiles the product, or another program, for a machine with that completion."""
    machines = {}

    def compile_for(word, name="product", c=None, extra=""):
        if (word, extra) not in machines:
            folder = tmp_path_factory.mktemp(word)
            path = folder / "machine.toml"
            path.write_text(DEFAULT.replace("[firmware]", f'[firmware]\ncompletion = "{word}"') + extra)
            machine = load_machine(str(path))
            machines[word, extra] = machine, firmware_of(machine, folder)
        machine, firmware = machines[word, extra]
        symbols = SYMBOLS if c is None or "op_product" in c else NO_SYMBOLS
        return firmware(name, c or product(), symbols=symbols), machine

    return compile_for


def op_of(run, symbol="op_product"):
    return next(op for op in run.statistics.guest["ops"] if op["symbol"] == symbol)


def test_the_same_work_is_done_in_the_same_time_however_it_is_waited_for(build, measure):
    runs = {word: measure(*build(word)) for word in WORDS}
    assert {
        word: list(memoryview(run.outputs[:1024]).cast("f")) for word, run in runs.items()
    } == dict.fromkeys(WORDS, outputs_wanted())
    busy = {run.statistics.devices["compute"]["busy_cycles"] for run in runs.values()}
    assert len(busy) == 1
    cycles = {word: op_of(run)["cycles"] for word, run in runs.items()}
    assert cycles["stall"] < cycles["poll"] < cycles["stall"] + 20, (
        "a poll comes up to a turn of its loop late"
    )
    assert cycles["stall"] < cycles["interrupt"] < cycles["stall"] + 120
    transactions = {word: run.statistics.devices["compute"]["transactions"] for word, run in runs.items()}
    assert transactions["stall"] == transactions["interrupt"] == 4 and transactions["poll"] > 4


def test_an_interrupt_costs_the_same_cycles_every_time_and_under_load(build, measure):
    elf, machine = build("interrupt")
    first = measure(elf, machine).statistics
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(2 * os.cpu_count())]
    try:
        assert all(measure(elf, machine).statistics == first for _ in range(5))
    finally:
        for other in others:
            other.kill()
            other.wait()


# --- When interrupts come -------------------------------------------------------------------------

SECOND = '\n[devices.second]\nmodel = "compute"\nbase = 0x10400000\n'

DELAY = """
    for (int i = 0; i < 5000; i++) __asm__ volatile("nop");
"""


def waits_of(run):
    return op_of(run)["stall_cycles"]


def test_work_that_is_done_before_the_cpu_waits_does_not_stall_it(build, measure):
    driver = """{
        MMIO_WRITE32(COMPUTE_DEVICE_BASE + REG_DATA_IN, (uint32_t)(uintptr_t)list);
        MMIO_WRITE32(COMPUTE_DEVICE_BASE + REG_SIZE, 4 * sizeof *list);
        MMIO_WRITE32(COMPUTE_DEVICE_BASE + REG_CONTROL, DEVICE_START);
        %s
        device_await(COMPUTE_DEVICE_BASE);
    }"""
    call = "{ compute_run(COMPUTE_DEVICE_BASE, list, 4 * sizeof *list); }"
    runs = {}
    for name, between in (("late", DELAY), ("seen", DELAY + "MMIO_READ32(ECHO(REG_STATUS));")):
        elf, machine = build("interrupt", name, product().replace(call, driver % between))
        runs[name] = measure(elf, machine)
        assert list(memoryview(runs[name].outputs[:1024]).cast("f")) == outputs_wanted()
    assert waits_of(runs["late"]) == 3, "three writes, a cycle each"
    assert waits_of(runs["seen"]) == 4, "and the read, at which the interrupt came"


def test_two_devices_are_waited_for_in_either_order(build, measure):
    both = """{
        struct DeviceCommand *nop = &list[4];
        MMIO_WRITE32(SECOND_DEVICE_BASE + REG_DATA_IN, (uint32_t)(uintptr_t)nop);
        MMIO_WRITE32(SECOND_DEVICE_BASE + REG_SIZE, sizeof *nop);
        MMIO_WRITE32(COMPUTE_DEVICE_BASE + REG_DATA_IN, (uint32_t)(uintptr_t)list);
        MMIO_WRITE32(COMPUTE_DEVICE_BASE + REG_SIZE, 4 * sizeof *list);
        MMIO_WRITE32(COMPUTE_DEVICE_BASE + REG_CONTROL, DEVICE_START);
        MMIO_WRITE32(SECOND_DEVICE_BASE + REG_CONTROL, DEVICE_START);
        device_await(%s_DEVICE_BASE);
        device_await(%s_DEVICE_BASE);
    }"""
    call = "{ compute_run(COMPUTE_DEVICE_BASE, list, 4 * sizeof *list); }"
    for name, order in (("longest_first", ("COMPUTE", "SECOND")), ("shortest_first", ("SECOND", "COMPUTE"))):
        elf, machine = build("interrupt", name, product().replace(call, both % order), extra=SECOND)
        assert [device.parameters["interrupt"] for device in machine.devices] == [36, 37, 38]
        run = measure(elf, machine)
        assert list(memoryview(run.outputs[:1024]).cast("f")) == outputs_wanted()
        assert run.statistics.devices["second"]["commands"] == 1


def error_of(measure, elf, machine):
    with pytest.raises(SimulateError) as caught:
        measure(elf, machine)
    return str(caught.value)


def test_thousands_of_interrupts_are_all_taken(build, measure):
    once = op_of(measure(*build("interrupt")))["cycles"]
    c = product().replace(
        "graph_0_forward(); return", "for (int i = 0; i < 999; i++) op_product(); op_product(); return"
    )
    op = op_of(measure(*build("interrupt", "many", c)))
    assert op["cycles"] == pytest.approx(1000 * once, abs=1000)


@pytest.mark.parametrize("word", WORDS)
def test_a_refused_list_ends_every_kind_of_wait(build, measure, word):
    said = error_of(measure, *build(word, "refused", product("list[1].code = 77;")))
    assert said.endswith("op_product: the device at 0x10300000 refused command 1 of 4: ERROR_COMMAND")


def test_a_wait_that_nothing_could_end_is_an_error_of_one_line(build, measure):
    for word in ("interrupt", "stall"):
        elf, machine = build(word, "forever", 'int main(void) { __asm__ volatile("wfi"); return 0; }')
        said = error_of(measure, elf, machine)
        assert "the CPU waits for an interrupt (wfi) at cycle " in said
        assert said.endswith(", and no device has anything under way that could raise one")


def test_an_interrupt_that_is_not_enabled_wakes_nobody_and_is_named(build, measure):
    masked = "MMIO_WRITE32(0xc002004, 0);"
    said = error_of(measure, *build("interrupt", "masked", product(masked)))
    assert said.endswith("that could raise one; raised before: 37")


def test_an_exception_is_told_as_ever_where_interrupts_are_vectored(build, measure):
    said = error_of(measure, *build("interrupt", "trap", product('__asm__ volatile("unimp");')))
    assert said.startswith("the guest trapped: illegal instruction at mepc ")


def test_a_simulator_that_knows_no_time_cannot_wake_anybody(build, run):
    elf, _ = build("stall", "legacy", 'int main(void) { __asm__ volatile("wfi"); return 0; }')
    outcome = run(elf, legacy=True)
    assert (
        outcome.status == 70 and "the guest waits for an interrupt (wfi); the simulator on" in outcome.errors
    )


def test_qemu_can_be_stopped_while_the_cpu_sleeps(build, start, tmp_path):
    elf, _ = build("interrupt")
    simulator = Simulator(tmp_path / "socket", sleepless=True)
    process = start(elf, simulator)
    assert simulator.asleep.wait(60)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 70 and "stopped while waiting" in errors


def test_a_simulator_that_leaves_while_the_cpu_sleeps_ends_qemu(build, run):
    outcome = run(build("interrupt")[0], sources=())
    assert outcome.status == 70 and "closed the connection at cycle" in outcome.errors


def test_giving_up_is_no_wait(build, run):
    elf, _ = build("interrupt", "failing", "int main(void) { fail(40); }")
    assert all(run(elf).status == 40 for _ in range(5))


# --- The device and the wire ----------------------------------------------------------------------

INTERRUPT = 4


def test_the_wait_is_answered_when_the_device_is_done(serve, embedded_with_lines):
    client = serve(embedded_with_lines).client
    client.write(ECHO + CONTROL, INTERRUPT)
    client.write(ECHO, 7)
    client.send(request(WAIT))
    assert client.response() == (1, 1 << 4, 10, 0), "source 36, after the latency"


def test_what_happened_while_the_cpu_was_awake_is_told_at_its_next_access(serve, embedded_with_lines):
    client = serve(embedded_with_lines).client
    assert client.read(ECHO + CONTROL)[3] == 0
    client.write(ECHO + CONTROL, INTERRUPT)
    assert client.read(ECHO + CONTROL)[1] == INTERRUPT
    client.write(ECHO, 7)
    assert client.read(ECHO + 4)[3] == 2
    client.send(request(WAIT))
    assert client.response() == (1, 1 << 4, 0, 0)
    assert client.read(ECHO + 4)[3] == 0, "told once"


def test_a_device_interrupts_only_if_asked_and_a_reset_forgets(serve, embedded_with_lines):
    client = serve(embedded_with_lines).client
    for control in (0, 2):
        client.write(ECHO + CONTROL, INTERRUPT)
        client.write(ECHO + CONTROL, control)
        client.write(ECHO, 7)
        assert client.read(ECHO + 4) == (1, 7, 10, 0)


def test_a_device_without_a_line_refuses_to_be_asked(serve, embedded):
    engine = embedded.Engine(20, 8)
    engine.add_device("echo", "echo", ECHO, {"access_cycles": 1, "latency_cycles": 10})
    client = serve(engine).client
    assert client.write(ECHO + CONTROL, INTERRUPT)[0] == 0
    assert client.write(ECHO + CONTROL, 0)[0] == 1


@pytest.fixture
def embedded_with_lines(embedded):
    engine = embedded.Engine(20, 8)
    engine.add_device("echo", "echo", ECHO, {"access_cycles": 1, "latency_cycles": 10, "interrupt": 36})
    return engine


# --- The machine file -----------------------------------------------------------------------------

ECHO_TABLE = "[devices.echo]\nbase = 0x10200000\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[firmware]\ncompletion = "soon"\n' + ECHO_TABLE,
            "completion is 'soon'; known are stall, poll, interrupt",
        ),
        (
            ECHO_TABLE + "interrupt = 10\n",
            "echo.interrupt is 10; 36 to 95 are free, those below are the board's",
        ),
        (ECHO_TABLE + "interrupt = 96\n", "devices.echo.interrupt is 96; it lies between 0 and 95"),
        (
            ECHO_TABLE + "interrupt = 40\n[devices.compute]\nbase = 0x10300000\ninterrupt = 40\n",
            "devices 'echo' and 'compute' both have interrupt 40",
        ),
    ],
)
def test_what_a_machine_file_cannot_mean_is_refused(tmp_path, text, message):
    path = tmp_path / "machine.toml"
    path.write_text(text)
    with pytest.raises(MachineError, match=message):
        load_machine(str(path))


def test_free_interrupts_are_those_that_no_device_asked_for(tmp_path):
    path = tmp_path / "machine.toml"
    path.write_text(ECHO_TABLE + "[devices.compute]\nbase = 0x10300000\ninterrupt = 36\n")
    assert [device.parameters["interrupt"] for device in load_machine(str(path)).devices] == [37, 36]


def test_the_compiler_sees_completion_and_interrupts(build):
    views = {load_machine(str(build(word)[1].path)).compile_view() for word in WORDS}
    assert len(views) == 3
