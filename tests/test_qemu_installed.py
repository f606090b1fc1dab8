# SPDX-License-Identifier: Apache-2.0
"""Whether the installed QEMU takes the plugin is said at build time."""

import os
import subprocess
import sys

import pytest
from acalsim_backend.errors import QemuError
from acalsim_backend.host import qemu

pytestmark = pytest.mark.quick


def test_the_installed_qemu_takes_the_plugin(plugin, tmp_path, monkeypatch):
    monkeypatch.delenv("QEMU", raising=False)
    assert qemu.main(["check", str(plugin), str(tmp_path / "out.json")]) == 0
    answer = qemu.json.loads((tmp_path / "out.json").read_text())
    assert answer["qemu"] == str(qemu.find_qemu())
    assert answer["version"] == qemu.version(qemu.find_qemu())
    assert answer["plugin_api"] == 1


def shared_object(folder, source):
    (folder / "bad.c").write_text(source)
    subprocess.run(["gcc", "-shared", "-fPIC", "-w", folder / "bad.c", "-o", folder / "bad.so"], check=True)
    return folder / "bad.so"


INSTALL = "int qemu_plugin_install(unsigned long id, void *info, int n, char **v) {{ {} return 0; }}"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int qemu_plugin_version = 99;" + INSTALL.format(""), "API version 2?1; this one has 99"),
        (
            "int qemu_plugin_version = 1;" + INSTALL.format("gone_from_qemu();"),
            "its function 'gone_from_qemu'",
        ),
        (
            "int qemu_plugin_version = 1;" + INSTALL.format(""),
            "'sst-device' is not a valid device model name",
        ),
    ],
)
def test_what_qemu_lacks_is_named(tmp_path, source, message):
    with pytest.raises(QemuError, match=message) as caught:
        qemu.check_plugin(qemu.find_qemu(), shared_object(tmp_path, source))
    assert "\n" not in str(caught.value)


def program(path, text):
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def test_a_qemu_that_is_none_or_takes_no_plugins_is_named(plugin, tmp_path, monkeypatch):
    without = program(tmp_path / "without", "echo 'qemu: -plugin: invalid option' >&2; exit 1\n")
    with pytest.raises(QemuError, match="built without plugins"):
        qemu.check_plugin(without, plugin)
    with pytest.raises(QemuError, match="device accesses get lost"):
        qemu.check_plugin(program(tmp_path / "idle", "exit 0\n"), plugin)
    with pytest.raises(QemuError, match="does not answer like QEMU: hello"):
        qemu.version(program(tmp_path / "other", "echo hello\n"))
    monkeypatch.setenv("QEMU", str(tmp_path / "missing"))
    with pytest.raises(QemuError, match="apt install qemu-system-misc"):
        qemu.find_qemu()
    monkeypatch.setenv("QEMU", str(without))
    assert qemu.find_qemu() == without


def test_a_missing_qemu_is_one_line_and_leaves_no_file(plugin, tmp_path):
    environment = {**os.environ, "QEMU": "no-such-qemu", "PYTHONPATH": str(qemu.SIM.parent / "site_scons")}
    command = [
        sys.executable,
        "-m",
        "acalsim_backend.host.qemu",
        "check",
        str(plugin),
        str(tmp_path / "out.json"),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("qemu: no program 'no-such-qemu'")
    assert not (tmp_path / "out.json").exists()
