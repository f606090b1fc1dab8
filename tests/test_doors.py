# SPDX-License-Identifier: Apache-2.0
"""Files between rooms: each comes back as it was written, and what does not fit is refused in one line."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from acalsim_backend import doors
from acalsim_backend.capture.capture_file import CaptureFile, IntermediatesFile
from acalsim_backend.check.placement_file import PlacementFile
from acalsim_backend.errors import ReportError
from acalsim_backend.host.qemu_file import QemuFile
from acalsim_backend.report.report_file import Report, Verification
from acalsim_backend.schedule.kept_file import KeptFile
from acalsim_backend.schedule.plan_file import PlanFile
from acalsim_backend.simulate.run_file import HostFile, RunFile
from pipeline_fixtures import refused

# --- the mechanism ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    reads: int
    writes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    kind: str = field(metadata=doors.called("class"))
    note: str = ""
    error: float


@dataclass(frozen=True)
class Sheet:
    name: str
    counts: Counts = field(metadata=doors.FLAT)
    rows: tuple[Row, ...]
    cycles: Mapping[str, Mapping[str, int]]
    best: Row | None


SHEET = Sheet(
    "it", Counts(3), (Row(kind="a", error=0.5), Row(kind="b", note="x", error=1e-7)), {"0": {"z": 1}}, None
)
TEXT = """{
 "name": "it",
 "reads": 3,
 "rows": [
  {
   "class": "a",
   "error": 0.5
  },
  {
   "class": "b",
   "note": "x",
   "error": 1e-07
  }
 ],
 "cycles": {
  "0": {
   "z": 1
  }
 },
 "best": null
}
"""


def test_a_file_is_written_in_the_order_of_the_fields_without_defaults(tmp_path):
    doors.write(tmp_path / "sheet.json", SHEET)
    assert (tmp_path / "sheet.json").read_text() == TEXT == doors.text(SHEET)


def test_what_was_written_is_read(tmp_path):
    doors.write(tmp_path / "sheet.json", SHEET)
    assert doors.read(tmp_path / "sheet.json", Sheet) == SHEET


@pytest.mark.parametrize(
    "old, new, line",
    [
        ('"reads": 3,', "", "it has no key 'reads'"),
        ('"reads": 3,', '"reads": 3, "maks": 1,', "it has the unknown key 'maks'"),
        ('"reads": 3,', '"reads": "3",', "'reads' is '3'; it is of type int"),
        ('"reads": 3,', '"reads": true,', "'reads' is True; it is of type int"),
        ('"class": "b",', "", "'rows[1]' has no key 'class'"),
        ('"class": "b",', '"class": "b", "kind": "b",', "'rows[1]' has the unknown key 'kind'"),
        ('"error": 0.5', '"error": null', "'rows[0].error' is None; it is of type float"),
        ('"z": 1', '"z": 1.5', "'cycles.0.z' is 1.5; it is of type int"),
        ('"best": null', '"best": 7', "'best' is 7; it is an object"),
        ('"best": null', '"best": null, "rows": 7', "'rows' is 7; it is a list"),
        ('"best": null', '"best": null, "cycles": []', "'cycles' is []; it is an object"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name_and_key(tmp_path, old, new, line):
    path = tmp_path / "sheet.json"
    assert TEXT.count(old) == 1
    path.write_text(TEXT.replace(old, new))
    with pytest.raises(ReportError) as caught:
        doors.read(path, Sheet, ReportError)
    assert str(caught.value) == f"{path}: {line}"


@pytest.mark.parametrize(
    "content, line",
    [
        (None, "cannot be read: No such file or directory"),
        ("{", "not a JSON file: .*"),
        ("[]", r"it is \[\]; .*"),
    ],
)
def test_what_is_no_file_of_ours_is_refused(tmp_path, content, line):
    path = tmp_path / "sheet.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ReportError) as caught:
        doors.read(path, Sheet, ReportError)
    assert re.fullmatch(f"{re.escape(str(path))}: {line}", str(caught.value))


def test_an_integer_stands_for_a_float_and_stays_as_it_was_written(tmp_path):
    path = tmp_path / "sheet.json"
    path.write_text(TEXT.replace("0.5", "0"))
    assert doors.text(doors.read(path, Sheet)) == path.read_text()


# --- the files ----------------------------------------------------------------------------------

FILES = {
    "build/capture/{}/capture.json": CaptureFile,
    "build/{}/plan.json": PlanFile,
    "build/{}/placement.json": PlacementFile,
    "build/{}/run/run.json": RunFile,
    "build/{}/run/host.json": HostFile,
    "build/reports/{}.json": Report,
    "build/reports/{}.host.json": HostFile,
    "build/host/qemu.json": QemuFile,
}
OF_VERIFY = {
    "build/capture/{}/intermediates.json": IntermediatesFile,
    "build/verify/{}/kept.json": KeptFile,
    "build/reports/{}.verify.json": Verification,
}


@pytest.mark.parametrize("name", FILES)
def test_every_file_of_a_build_is_read_and_written_alike(host_tree, name):
    path = host_tree / name.format("mlp")
    assert doors.text(doors.read(path, FILES[name])) == path.read_text()


def test_the_files_of_verify_are_read_and_written_alike(host_tree):
    host_tree.scons("verify-matmul")
    for name, kind in OF_VERIFY.items():
        path = host_tree / name.format("matmul")
        assert doors.text(doors.read(path, kind)) == path.read_text()


def test_a_quantised_models_files_are_read_and_written_alike(host_tree):
    host_tree.scons("PRECISION=int8", "sim-mlp")
    for name, kind in (
        ("build/capture-int8/mlp/capture.json", CaptureFile),
        ("build/default-int8/reports/mlp.json", Report),
    ):
        value = doors.read(host_tree / name, kind)
        assert doors.text(value) == (host_tree / name).read_text() and value.quantised


STAGES = {
    "plan.json": ("codegen.values", "codegen", "{capture} {out} --plan {file}"),
    "capture.json": ("codegen.values", "codegen", "{folder} {out} --plan {build}/plan.json"),
    "run.json": (
        "report",
        "report",
        "{out}/mlp.json --capture {capture} --run {folder} --plan {build}/plan.json --elf {build}.elf "
        "--machine {machine} --placement {build}/placement.json --qemu {host}/qemu.json",
    ),
}


@pytest.mark.parametrize("name", STAGES)
def test_a_stage_says_in_one_line_which_key_of_which_file_is_missing(host_tree, tmp_path, name):
    capture, build = host_tree / "build/capture/mlp", host_tree / "build/mlp"
    sources = {"plan.json": build, "capture.json": capture, "run.json": build / "run"}
    for path in sources[name].iterdir():
        if path.is_file() and path.suffix in (".json", ".bin"):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    file = tmp_path / name
    content = json.loads(file.read_text())
    key = list(content)[1]
    del content[key]
    file.write_text(json.dumps(content))
    module, room, arguments = STAGES[name]
    given = {"capture": capture, "build": build, "host": host_tree / "build/host", "file": file}
    given["machine"] = host_tree / "sim/machines/default.toml"
    command = arguments.format(**given, folder=tmp_path, out=tmp_path / "out").split()
    done = subprocess.run(
        [sys.executable, "-m", f"acalsim_backend.{module}", *command],
        env={"PYTHONPATH": str(host_tree / "site_scons"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert refused(done, f"^{room}: {re.escape(str(file))}: it has no key '{key}'$")
    assert done.stderr.count("\n") == 1 and not (tmp_path / "out").exists()
