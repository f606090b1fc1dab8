# SPDX-License-Identifier: Apache-2.0
"""Declarations of the hardware: clashes are refused, engines do what the rows say, pages list the rows."""

import re
import subprocess
import tomllib
from dataclasses import replace

import pytest
from acalsim_backend.errors import DeviceError
from acalsim_backend.machine import headers
from acalsim_backend.machine.commands import (
    COMMAND_FLAGS,
    COMMANDS,
    ELEMENT_TYPES,
    PRODUCT_TYPES,
    pack_command,
    refuse_clashes,
)
from acalsim_backend.machine.functions import FUNCTIONS
from acalsim_backend.machine.models import DEVICE_MODELS
from acalsim_backend.machine.protocol import REQUEST_TYPES, TEXT_KINDS
from acalsim_backend.machine.rows import L1D, LATENCIES, RAM_TIMING
from acalsim_backend.paths import ROOT
from compute_fixtures import ERRORS, parameters

pytestmark = pytest.mark.quick

FLAGS = {flag.name: flag for flag in COMMAND_FLAGS}
TYPES = {type.name: type.value for type in ELEMENT_TYPES}
RAM = {row.name: row.default for row in RAM_TIMING}


# --- Clashes ---------------------------------------------------------------------------------------


def test_flags_that_share_a_bit_are_refused_when_declared():
    twin = replace(FLAGS["FLAG_RELU"], name="FLAG_TWIN", value=0x60)
    with pytest.raises(DeviceError, match=r"flags overlap: FLAG_RELU 0x20 and FLAG_TWIN 0x60"):
        refuse_clashes((FLAGS["FLAG_RELU"], twin))


@pytest.mark.parametrize("partner", ["FLAG_RELUU", "FLAG_ACCUMULATE"])
def test_a_flag_with_a_partner_that_its_command_does_not_take_is_refused_when_declared(partner):
    flags = (FLAGS["FLAG_ACCUMULATE"], replace(FLAGS["FLAG_RELU"], needs=(partner,)))
    complaint = f"flag FLAG_RELU 0x20 names {partner}, which is no other flag of COMMAND_STORE"
    with pytest.raises(DeviceError, match=complaint):
        refuse_clashes(flags)


# --- What the engine makes of the rows --------------------------------------------------------------


LANES = {"lanes": 16, "special_lanes": 4}


def function_of(code, flags):
    """A function that the command takes with those flags, if it takes any."""
    rows = (row for row in FUNCTIONS if code.name in row.commands and not set(row.refused) & set(flags))
    return next((row.value for row in rows), 0)


@pytest.fixture(scope="module")
def takes(embedded):
    """Whether the device takes a command's code, type and flags, whatever it says of the rest."""

    def ask(code, type, flags, names=(), **given):
        bits = sum(flags) if not names else sum(FLAGS[name].value for name in names)
        one = pack_command(code=code.value, type=type, flags=bits, k=function_of(code, names))
        devices = [parameters(**{**LANES, **given})]
        [(error, _)], _, _ = embedded.list_cycles("compute", devices, RAM, [one], [0])
        return error != ERRORS["ERROR_COMMAND"]

    return ask


@pytest.mark.parametrize("code", COMMANDS, ids=lambda code: code.name)
def test_a_command_takes_the_types_of_its_row_and_no_other(takes, code):
    of_row = {TYPES[name] for name in code.types}
    for operand in range(code.operands):
        taken = {type for type in range(16) if takes(code, type << 4 * operand, [])}
        assert taken == of_row
    assert not any(takes(code, 1 << bit, []) for bit in range(4 * code.operands, 16))
    assert takes(code, 0, [], lanes=0) != code.needs_lanes


@pytest.mark.parametrize("flag", COMMAND_FLAGS, ids=lambda flag: flag.name)
def test_a_flag_is_taken_by_its_own_commands_with_all_it_needs_and_none_it_excludes(takes, flag):
    whole = (flag.name, *flag.needs)
    type = TYPES[flag.types[0]] if flag.types else TYPES["TYPE_INT8"] << 8 if flag.name == "FLAG_ROUND" else 0
    takers = [code for code in COMMANDS if takes(code, type, [], whole)]
    assert {code.name for code in takers} == set(flag.commands)
    for code in takers:
        assert takes(code, type, [], whole, lanes=0) != (flag.needs_lanes or code.needs_lanes)
        for missing in flag.needs:
            assert not takes(code, type, [], [name for name in whole if name != missing])
        for name in flag.excludes:
            assert not takes(code, type, [], [*whole, name])


def test_bits_that_no_row_has_are_taken_by_no_command(takes):
    known = sum(flag.value for flag in COMMAND_FLAGS)
    free = [1 << bit for bit in range(32) if not known >> bit & 1]
    assert [(code.name, bit) for code in COMMANDS for bit in free if takes(code, 0, [bit])] == []


@pytest.mark.parametrize("key", RAM)
def test_every_key_of_ram_reaches_the_engine_and_has_the_rows_default(embedded, key):
    assert re.search(rf"\b{key}: int = {RAM[key]}\b", embedded.Engine.__init__.__doc__)
    with pytest.raises((KeyError, IndexError)):
        incomplete = {name: value for name, value in RAM.items() if name != key}
        embedded.list_cycles("compute", [parameters()], incomplete, [pack_command(code=0)], [0])


def test_the_tables_are_valid_cpp_and_have_every_row(tmp_path):
    (tmp_path / "registers.h").write_text(headers.registers_header())
    (tmp_path / "tables.h").write_text(headers.tables_header())
    counted = {"ram_timing": RAM_TIMING, "commands": COMMANDS, "command_flags": COMMAND_FLAGS}
    counted |= {"functions": FUNCTIONS, "product_types": PRODUCT_TYPES}
    counted |= {f"{model.name}_parameters": model.parameters for model in DEVICE_MODELS.values()}
    lines = ['#include "tables.h"', "#define ONE(...) + 1"]
    for name, rows in counted.items():
        lines.append(f'static_assert(0 ACALSIM_{name.upper()}(ONE) == {len(rows)}, "{name}");')
    source = tmp_path / "tables.cc"
    source.write_text("\n".join(lines) + "\n")
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", "-fsyntax-only", source]
    subprocess.run(command, check=True)


# --- What the pages say -----------------------------------------------------------------------------


def page(name):
    return (ROOT / "docs" / name).read_text()


def documented(text, title):
    """{key: default} of the table whose first column has that title."""
    table = text.split(f"\n| {title} | default | |\n|---|---|---|\n")[1].split("\n\n")[0]
    return dict([cell.strip() for cell in line.split("|")[1:3]] for line in table.splitlines())


def written(row):
    """A row's default as a page writes it."""
    if row.several:
        return f'"{", ".join(row.choices)}"'
    if row.choices:
        return f'"{row.choices[row.default]}"'
    kibibytes = row.name.endswith("_bytes") and row.default and not row.default % 1024
    return f"{row.default >> 10} KiB" if kibibytes else str(row.default)


@pytest.mark.parametrize(
    ("name", "title", "rows"),
    [
        ("device.md", "ram", RAM_TIMING),
        ("timing.md", "cpu.latency", LATENCIES),
        *(("device.md", model.name, model.parameters) for model in DEVICE_MODELS.values()),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_page_lists_the_keys_with_their_defaults_and_no_other(name, title, rows):
    assert documented(page(name), title) == {row.name: written(row) for row in rows}


def test_the_page_on_timing_shows_a_cache_with_its_defaults():
    block = re.search(r"( +\[cpu\.l1d\].*?\n)\n", page("timing.md"), re.DOTALL)[1]
    assert tomllib.loads(block)["cpu"]["l1d"] == {row.name: row.default for row in L1D}


def test_the_page_on_the_protocol_lists_every_type_of_request_and_of_text():
    text = page("protocol.md")
    types = dict(re.findall(r"^\| (\d) \| (\w+) \|", text, re.MULTILINE))
    assert types == {str(flag.value): flag.name.removeprefix("REQUEST_") for flag in REQUEST_TYPES}
    for kind in TEXT_KINDS:
        assert re.search(rf"\bkind {kind.value}\b", text), kind.name


def test_the_page_on_the_device_says_what_a_report_counts(embedded):
    engine = embedded.Engine()
    engine.add_device("compute", "compute", 0x10300000, parameters(**LANES))
    text = page("device.md")
    for name in engine.result()["devices"]["compute"]:
        general = re.sub("^(load|compute|vector|store)_(wait|idle)", r"UNIT_\2", name)
        assert re.search(rf"\b({name}|{general})\b", text), name
