# SPDX-License-Identifier: Apache-2.0
"""What is no TOML, or none that a machine could have, is one line, whichever file a user wrote it in."""

import pytest
from acalsim_backend.errors import AcalsimError
from acalsim_backend.machine.file import load_machine
from acalsim_backend.offload.tiling_file import read_choices
from acalsim_backend.paths import MACHINES
from acalsim_backend.sweep.space import read_sweep

pytestmark = pytest.mark.quick

DIGITS, HEX = "9" * 5000, "0x" + "f" * 5000
READERS = {
    "machine": lambda path: load_machine(str(path)),
    "tiling": lambda path: read_choices(path, "default"),
    "sweep": read_sweep,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "text, line",
    [
        (f"a = {DIGITS}", "not valid TOML: Exceeds the limit"),
        (f"[a]\nb = [{HEX}]", r"not valid TOML: a\.b is an integer of 20000 bits; TOML's have 64"),
        ("a = " + "[" * 100_000 + "]" * 100_000, "its arrays and tables nest too deeply"),
        ("[" + ".".join("a" * 5000) + "]", "its arrays and tables nest too deeply"),
        ("a = ", "not valid TOML: Invalid value"),
    ],
    ids=["digits", "bits", "arrays", "tables", "value"],
)
def test_what_is_no_toml_is_one_line(tmp_path, read, text, line):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(AcalsimError, match=rf"mine\.toml: {line}") as error:
        read(path)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "old, new, line",
    [
        ("[devices.compute]", f"[devices.{'c' * 300}]", "is not at most 64 lower-case letters, digits and _"),
        ("rows = 16", "rows = 1979-05-27", r"devices\.compute\.rows is datetime\.date.*whole number"),
        ('dataflow = "ws"', 'dataflow = ["ws"]', r"dataflow is \['ws'\]; known are ws, os"),
        ('model = "compute"', 'model = ["compute"]', r"model is \['compute'\]; "),
        ("[firmware]", f"[sst]\nconfig = '{'c' * 5000}'\n[firmware]", r"sst\.config is '.*there is no file"),
        ("[firmware]", "[energy]\ndram_byte = nan\n[firmware]", r"energy\.dram_byte is nan; it lies between"),
    ],
)
def test_a_value_of_a_wrong_kind_is_one_line(tmp_path, old, new, line):
    path = tmp_path / "mine.toml"
    path.write_text((MACHINES / "default.toml").read_text().replace(old, new))
    with pytest.raises(AcalsimError, match=line):
        load_machine(str(path))
