# SPDX-License-Identifier: Apache-2.0
"""The element library as sst-info shows it, and which SST is too old."""

import re
import subprocess

import pytest
from acalsim_backend.host.sst import OLDEST, is_too_old
from acalsim_backend.machine.models import DEVICE_MODELS
from acalsim_backend.machine.rows import RAM_TIMING
from sst_fixtures import needs_sst

# --- What needs no SST ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "too_old"),
    [
        ("SST-Core Version (-dev)", False),
        (f"SST-Core Version ({OLDEST}.0.0)", False),
        (f"SST-Core Version ({OLDEST - 1}.1.0)", True),
        ("SST-Core Version (9.1.0)", True),
    ],
)
def test_the_oldest_version_is_told_from_its_number(text, too_old):
    assert is_too_old(text) == too_old


# --- The element library --------------------------------------------------------------------------


def component(text, name):
    """What sst-info says of one component."""
    return re.split(r"\n +Component \d+: ", text.partition(f": {name}\n")[2])[0]


@needs_sst
def test_sst_info_documents_every_parameter_of_the_machine_file(sst_library):
    command = ["sst-info", f"--add-lib-path={sst_library.parent}", "acalsim"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for model in DEVICE_MODELS.values():
        own = component(text, f"{model.name.capitalize()}Device")
        for row in model.parameters:
            assert re.search(rf" {row.name}: .*\[{row.default}\]", own), f"{model.name}.{row.name}"
    for row in RAM_TIMING:
        line = f" ram_{row.name}: {row.description}  [{row.default}]"
        assert line in component(text, "QEMUBinary"), row.name
    for word in ("busy_cycles", "transactions", "stall_cycles", "bus", "device%(n)d"):
        assert word in text
