# SPDX-License-Identifier: Apache-2.0
"""A device of your own in Python: derive one class from Device, and name its file in a machine file.

    class Doubler(Device):
        latency_cycles = Parameter(5, 1, 1000, "of a word")

        def start(self):
            word = yield self.read(self.DATA_IN, 4, "u4")
            yield self.latency_cycles
            yield self.write(self.DATA_IN, 2 * word)

docs/own_device.md explains it. Nothing of the project is imported here: SST's Python runs it too.
"""

from __future__ import annotations

import importlib.util
import os
import random
import sys
import traceback
from collections.abc import Callable, Generator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

BUSY, DATA_READY, ERROR = 1, 2, 4
"""Bits of STATUS."""
START = 1
"""What CONTROL takes."""
ERROR_ADDRESS, ERROR_SIZE, ERROR_NO_RAM = 2, 4, 5
"""What RESULT says of DMA that lies elsewhere than in RAM, or whose bytes are no whole number of elements."""

Work = Generator[Any, Any, int | None]


class Parameter:
    """A number that a machine file may give. What it is set to is the attribute's value in a device."""

    def __init__(self, default: int, minimum: int, maximum: int, description: str):
        self.value = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, device: Device | None, owner: type | None = None) -> Any:
        return self if device is None else device._parameters[self.name]


class Choice(Parameter):
    """A word that a machine file may give."""

    def __init__(self, default: str, words: tuple[str, ...], description: str):
        self.words = words

    def __get__(self, device: Device | None, owner: type | None = None) -> Any:
        return self if device is None else self.words[device._parameters[self.name]]


class Register:
    """A register of 32 bits, `offset` bytes into the device's window. Its content is the attribute's value."""

    def __init__(self, offset: int, access: str, description: str):
        self.offset = offset

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, device: Device | None, owner: type | None = None) -> Any:
        return self if device is None else device._port["get"](self.offset)

    def __set__(self, device: Device, value: int) -> None:
        device._port["set"](self.offset, int(value) & 0xFFFFFFFF)


class Refused(Exception):
    """Raised in a device's work: the work ends with STATUS ERROR, and `code` in RESULT."""

    def __init__(self, code: int, why: str = ""):
        super().__init__(why or f"error {code}")
        self.code = code


class Event:
    """What has not happened yet. Work that yields one goes on when it has, with its `value`."""

    def __init__(self, what: str = "an event"):
        self.what, self.value, self.happened = what, None, False
        self._waiting: list[Callable[[], None]] = []

    def happen(self, value: Any = None) -> None:
        """Let it happen now; whoever waits goes on. Where the value is an error, it is raised there."""
        self.happened, self.value = True, value
        waiting, self._waiting = self._waiting, []
        for go_on in waiting:
            go_on()


class Device:
    """Base of devices in Python. Override start(), and of on_write(), on_read() and on_reset() what you need."""

    DATA_IN = Register(0x00, "W", "data, or an address")
    DATA_OUT = Register(0x04, "R", "response data")
    STATUS = Register(0x08, "R", "status flags")
    CONTROL = Register(0x0C, "RW", "control operations")
    SIZE = Register(0x10, "RW", "data size in bytes")
    RESULT = Register(0x14, "R", "operation result: 0 or an error code")

    name: str
    _parameters: dict[str, int]
    _port: dict[str, Callable[..., Any]]
    _registers: dict[int, Register]
    _counts: dict[str, int]
    _work: list[_Running]

    # --- What a device overrides ---------------------------------------------------------------

    def start(self) -> Work | int | None:
        """The work that CONTROL = START begins. As a generator it yields what it waits for: a number of cycles,
        an event, or a list of events. What it returns is put into RESULT."""
        return None

    def on_write(self, register: str, value: int) -> None:
        """The CPU has written the register, which holds the value already."""

    def on_read(self, register: str) -> int:
        """What the CPU reads there."""
        return int(getattr(self, register))

    def on_reset(self) -> None:
        """Registers are zero, and what was under way is gone."""

    # --- What a device may use ------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The present cycle."""
        return int(self._port["now"]())

    def after(self, cycles: int, action: Callable[[], Any]) -> None:
        """Call `action` so many cycles from now, unless the device is reset before."""
        self._port["after"](int(cycles), lambda: action())

    def read(self, address: int, size_bytes: int, dtype: Any = None) -> Event:
        """Read RAM by DMA. The event's value is bytes or, with a dtype, numpy's array of that."""
        self._check(address, size_bytes, "DMA READ")
        if dtype is not None and size_bytes % _numpy().dtype(dtype).itemsize:
            raise Refused(ERROR_SIZE, f"DMA READ of {size_bytes} bytes is no whole number of {dtype}")
        event = Event(f"DMA READ of {size_bytes} bytes at {address:#x}")
        self._port["read_ram"](address, size_bytes, lambda data: event.happen(_typed(data, dtype)))
        return event

    def write(self, address: int, data: Any) -> Event:
        """Write bytes, or what has them as numpy's arrays do, to RAM by DMA."""
        data = data.tobytes() if hasattr(data, "tobytes") else bytes(data)
        self._check(address, len(data), "DMA WRITE")
        event = Event(f"DMA WRITE of {len(data)} bytes at {address:#x}")
        self._port["write_ram"](address, data, event.happen)
        return event

    def check(self, address: int, size_bytes: int) -> None:
        """Refuse the work unless so many bytes, at least one, lie there in RAM."""
        self._check(address, size_bytes, "DMA")

    def run(self, work: Work) -> Event:
        """Begin more work beside that which is under way; the event happens when it ends."""
        return _Running(self, work).end

    def done(self, result: int = 0) -> None:
        """The work is done: STATUS becomes DATA_READY. A start() that is a generator does this at its end."""
        self.RESULT = result
        self._become(DATA_READY)

    def refuse(self, code: int) -> None:
        """The work is refused: STATUS becomes ERROR."""
        self.RESULT = code
        self._become(ERROR)

    def interrupt(self) -> None:
        """Raise the interrupt line for a moment. At each end of work that happens by itself, if it was asked for."""
        self._port["interrupt"]()

    def log(self, text: object) -> None:
        """Say something in the log, which VERBOSE=1 prints."""
        self._port["log"](str(text))

    def count(self, name: str, more: int = 1) -> None:
        """Add to a number of the report's `devices`."""
        self._counts[name] = self._counts.get(name, 0) + int(more)

    # --- What the engine calls ------------------------------------------------------------------

    def _plug_in(self, name: str, parameters: dict[str, int], port: dict[str, Callable[..., Any]]) -> None:
        self.name, self._parameters, self._port = name, parameters, port
        self._counts, self._work = {}, []
        declared = [getattr(type(self), word) for word in dir(type(self))]
        self._registers = {each.offset: each for each in declared if isinstance(each, Register)}
        self.on_reset()

    def _written(self, offset: int, value: int) -> None:
        name = self._registers[offset].name
        self._port["set"](offset, value)
        self.on_write(name, value)
        if name == "CONTROL" and value == START:
            self._begin()

    def _read(self, offset: int) -> int:
        return self.on_read(self._registers[offset].name)

    def _cleared(self) -> None:
        self._work = []
        self.on_reset()

    def _counted(self) -> list[tuple[str, int]]:
        return list(self._counts.items())

    def _waits_for(self) -> str:
        return "; ".join(filter(None, (running.place() for running in self._work)))

    def _begin(self) -> None:
        self.RESULT = 0
        self._become(BUSY)
        try:
            work = self.start()
        except Refused as error:
            self.log(error)
            return self.refuse(error.code)
        if isinstance(work, Generator):
            _Running(self, work, self._ended)
        return None

    def _ended(self, result: Any) -> None:
        if isinstance(result, Refused):
            self.log(result)
            self.refuse(result.code)
        else:
            self.done(0 if result is None else int(result))

    def _become(self, status: int) -> None:
        self._port["set"](Device.STATUS.offset, status)

    def _check(self, address: int, size_bytes: int, verb: str) -> None:
        origin, size = self._port["ram"]()
        if size and origin <= address and address + size_bytes <= origin + size and size_bytes > 0:
            return
        raise Refused(
            ERROR_ADDRESS if size else ERROR_NO_RAM,
            f"{verb} of {size_bytes} bytes at {address:#x} lies outside RAM {origin:#x}..{origin + size:#x}",
        )


class _Running:
    """Work under way: a generator, and what it waits for."""

    def __init__(self, device: Device, work: Work, at_end: Callable[[Any], None] | None = None):
        self.device, self.work = device, work
        self.end = Event(f"the end of {getattr(work, '__name__', 'work')}")
        self.at_end = at_end
        self.waits_for = ""
        device._work.append(self)
        self.go_on()

    def go_on(self, value: Any = None) -> None:
        """Run the work to the next yield that it has to wait at."""
        is_waiting = False
        while not is_waiting and self in self.device._work:  # else it was reset
            try:
                asked = self.work.throw(value) if isinstance(value, Refused) else self.work.send(value)
                is_waiting, value = self.wait(asked)
            except StopIteration as stopped:
                return self.finish(stopped.value)
            except Refused as error:
                return self.finish(error)
        return None

    def wait(self, asked: Any) -> tuple[bool, Any]:
        """Whether there is something to wait for, which will make the work go on; else the value at once."""
        if isinstance(asked, Event):
            self.waits_for = asked.what
            if not asked.happened:
                asked._waiting.append(lambda: self.go_on(asked.value))
            return not asked.happened, asked.value
        if isinstance(asked, list | tuple) and all(isinstance(each, Event) for each in asked):
            return self.wait_for_all(asked)
        if hasattr(asked, "__index__") and int(asked) >= 0:
            self.waits_for = f"{int(asked)} cycles"
            self.device.after(int(asked), self.go_on)
            return True, None
        self.work.throw(TypeError(f"yield of {asked!r}; work yields cycles, an event or a list of events"))
        raise RuntimeError("work went on after it had yielded what it may not")

    def wait_for_all(self, events: Sequence[Event]) -> tuple[bool, Any]:
        left = [event for event in events if not event.happened]
        self.waits_for = ", ".join(event.what for event in left)

        def values() -> Any:
            errors = [event.value for event in events if isinstance(event.value, Refused)]
            return errors[0] if errors else [event.value for event in events]

        def arrived(event: Event) -> None:
            left.remove(event)
            if not left:
                self.go_on(values())

        for event in tuple(left):
            event._waiting.append(partial(arrived, event))
        return bool(left), values()

    def finish(self, result: Any) -> None:
        self.device._work.remove(self)
        self.end.happen(result)
        if self.at_end:
            self.at_end(result)

    def place(self) -> str:
        frame = getattr(self.work, "gi_frame", None)
        where = f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}" if frame else ""
        return f"{self.waits_for} ({where})"


def _typed(data: bytes, dtype: Any) -> Any:
    if dtype is None:
        return data
    return _numpy().frombuffer(bytearray(data), dtype)


def _numpy() -> Any:
    """Imported where it is used: SST's Python may lack it."""
    return importlib.import_module("numpy")


def plug_in(
    source: str, name: str, parameters: dict[str, int], port: dict[str, Callable[..., Any]]
) -> Device:
    """The device whose class the file has. What it draws from `random` is the same in every run."""
    random.seed(0)
    classes = [
        each
        for each in vars(_module(Path(source))).values()
        if isinstance(each, type) and issubclass(each, Device) and each.__module__ == _module_name(source)
    ]
    if len(classes) != 1:
        raise TypeError(f"{len(classes)} classes derive from Device; a device's file has one")
    device = classes[0]()
    device._plug_in(name, parameters, port)
    return device


def _module_name(source: str) -> str:
    return f"acalsim_own_{os.path.basename(source).partition('.')[0]}"


def _module(source: Path) -> Any:
    """The file as a module. Modules beside it that it imports are its own: another device has others."""
    folder = str(source.parent)
    spec = importlib.util.spec_from_file_location(_module_name(str(source)), source)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, folder)
    before = set(sys.modules)
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
        for name in set(sys.modules) - before:
            if (getattr(sys.modules[name], "__file__", None) or "").startswith(folder + os.sep):
                del sys.modules[name]
    return module


def describe(error: BaseException, source: str) -> str:
    """What was raised, in one line with the user's file and line."""
    what = " ".join(traceback.format_exception_only(error)[-1].split())
    frames = traceback.extract_tb(error.__traceback__)
    folder = os.path.dirname(source) + os.sep
    own = [frame for frame in frames if frame.filename.startswith(folder)]
    place = own[-1] if own else None
    return f"{os.path.basename(place.filename)}:{place.lineno}: {what}" if place else f"{source}: {what}"
