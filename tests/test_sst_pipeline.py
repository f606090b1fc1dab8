# SPDX-License-Identifier: Apache-2.0
"""ENGINE=sst through scons."""

import json

from sst_fixtures import needs_sst


def test_options_for_sst_are_refused_where_sst_is_not_asked_for(host_tree):
    done = host_tree.scons("-n", "SST_OPTIONS=-n 2", "sim-matmul", check=False)
    assert done.returncode == 2 and done.stderr == "scons: SST_OPTIONS is '-n 2', which needs ENGINE=sst\n"


@needs_sst
def test_every_models_report_is_the_embedded_engines(host_tree, sst_tree):
    sst_tree.scons("-j2", "ENGINE=sst", "all-reports", timeout=600)
    names = sorted(path.name for path in (host_tree / "models").glob("[!_]*.py"))
    assert names
    for name in (name.replace(".py", ".json") for name in names):
        embedded = json.loads((host_tree / "build/reports" / name).read_text())
        in_sst = json.loads((sst_tree / "build/default-sst/reports" / name).read_text())
        assert (embedded.pop("engine"), in_sst.pop("engine")) == ("embedded", "sst")
        assert in_sst == embedded
    for name in (name.replace(".py", "/run/spans.bin") for name in names):
        recorded = (host_tree / "build" / name).read_bytes()
        assert (sst_tree / "build/default-sst" / name).read_bytes() == recorded
