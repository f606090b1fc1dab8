# SPDX-License-Identifier: Apache-2.0
"""Options and fixtures that every test shares; fixtures of one room lie in ROOM_fixtures.py."""

import fcntl
import gc
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "build/tests/cache"
"""What is compiled for the tests themselves, kept from run to run as long as its sources are the same."""

pytest_plugins = [
    "backend_fixtures",
    "browser_fixtures",
    "capture_fixtures",
    "check_fixtures",
    "compute_fixtures",
    "vector_fixtures",
    "driver_fixtures",
    "kernel_fixtures",
    "offload_fixtures",
    "own_fixtures",
    "pipeline_fixtures",
    "qemu_fixtures",
    "rtl_fixtures",
    "rule_fixtures",
    "simulator_fixtures",
    "sst_fixtures",
    "sweep_fixtures",
    "watch_fixtures",
    "zoo_fixtures",
]
"""Modules whose fixtures tests ask for by name."""
pytest.register_assert_rewrite(*pytest_plugins, "host_fixtures", "op_cases", "plan_memory", "simulator_work")


# What ./run puts on PATH for calls by hand would be taken for QEMU by tests that look for it.
os.environ["PATH"] = os.pathsep.join(
    folder for folder in os.environ["PATH"].split(os.pathsep) if not folder.endswith("/sim/qemu/bin")
)

settings.register_profile("tests", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile("tests")
compiled_examples = settings(derandomize=True, database=None, phases=[Phase.generate])
"""For examples that are compiled: always the same ones, and none to make a failing one shorter."""


def pytest_addoption(parser):
    parser.addoption(
        "--update-golden", action="store_true", help="rewrite tests/golden from what is generated now"
    )


def pytest_xdist_auto_num_workers(config):
    """A worker for each CPU, or none where only a part is asked for: each imports PyTorch anew."""
    is_part = config.args_source is pytest.Config.ArgsSource.ARGS or config.option.keyword
    return 0 if is_part else len(os.sched_getaffinity(0))


def pytest_collection_finish():
    """PyTorch's objects stay to the end; looking through them for garbage again and again takes time."""
    gc.collect()
    gc.freeze()


@contextmanager
def alone(path: Path):
    """Only one process at a time is in a `with alone(path)`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session", autouse=True)
def users_cache():
    """The user's cache folder is the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(CACHE))
        yield CACHE


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """made_once(name, make): a folder that make(folder) fills, in one worker for all of a session."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own

    def made(name, make):
        folder, done = shared / f"once-{name}", shared / f"once-{name}.done"
        with alone(folder.with_suffix(".lock")):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture
def update_golden(request):
    return request.config.getoption("--update-golden")


SMALL_MODELS = ("bmm", "chained_matmul", "matmul", "mlp", "tokens")


def unwanted(folder, names):
    """What a tree does without: caches, and models that take longer than a moment."""
    models = (
        [name for name in names if name.removesuffix(".py") not in SMALL_MODELS]
        if Path(folder) == ROOT / "models"
        else []
    )
    return {"__pycache__", *models} & set(names)


def state_of(path):
    """What changes whenever a file is written."""
    return (path.stat().st_size, path.stat().st_mtime_ns, path.stat().st_mode) if path.exists() else None


class Tree:
    """A copy of the project's sources, with its smallest models only, where tests may edit and build."""

    def __init__(self, folder: Path):
        self.folder = folder

    def fill(self):
        """Copies the sources into it."""
        for name in ("SConstruct", "site_scons", "kernels", "sim", "models"):
            source = ROOT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, self.folder / name, **({"ignore": unwanted} if source.is_dir() else {}))
        return self

    def scons(self, *arguments, check=True, timeout=300, **options):
        command = [sys.executable, "-m", "SCons", "-Q", *arguments]
        options = {"cwd": self.folder, "capture_output": True, "text": True, **options}
        done = subprocess.run(command, timeout=timeout, **options)
        if check and done.returncode:
            raise AssertionError(
                f"scons {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
            )
        return done

    def __truediv__(self, path) -> Path:
        return self.folder / path

    def keep(self, folder):
        """Notes in another folder what the tree is like."""
        self.kept = shutil.copytree(self.folder, folder, symlinks=True, dirs_exist_ok=True)

    def restore(self):
        """Makes the tree what it was when it was kept; files that nobody has touched stay as they are."""
        for place, folders, names in os.walk(self.folder):
            kept = self.kept / Path(place).relative_to(self.folder)
            for name in names:
                if not (kept / name).exists():
                    Path(place, name).unlink()
            for name in [name for name in folders if not (kept / name).exists()]:
                folders.remove(name)
                shutil.rmtree(Path(place, name))
        for place, _, names in os.walk(self.kept):
            folder = self.folder / Path(place).relative_to(self.kept)
            folder.mkdir(exist_ok=True)
            for name in names:
                if state_of(folder / name) != state_of(Path(place, name)):
                    shutil.copy2(Path(place, name), folder / name)

    def edit(self, path, old, new):
        file = self.folder / path
        text = file.read_text()
        assert old in text, f"{path} does not say {old!r}"
        file.write_text(text.replace(old, new))


@pytest.fixture(scope="session")
def tree_of_all(made_once) -> Path:
    """A tree in which plugin, engine and the four small models are built; for copies."""

    def build(folder):
        Tree(folder).fill().scons("-j2", "all-reports", timeout=600)

    return made_once("tree", build)


@pytest.fixture(scope="session")
def host_tree(tree_of_all, tmp_path_factory) -> Tree:
    """A worker's own tree, built. A test may build more in it, but leaves its sources alone."""
    tree = Tree(shutil.copytree(tree_of_all, tmp_path_factory.mktemp("worker") / "tree", symlinks=True))
    tree.scons("-j2", "all-reports")
    tree.keep(tmp_path_factory.mktemp("kept"))
    return tree


@pytest.fixture
def tree(host_tree):
    """The built tree; whatever a test does in it is undone."""
    yield host_tree
    host_tree.restore()


def modules_imported_by(program):
    """The names of all modules that a fresh Python has imported behind some lines of program."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "site_scons")}
    command = [sys.executable, "-c", f"{program}\nimport sys; print(*sys.modules)"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.fixture(scope="session")
def environment_without():
    """Makes an environment whose PATH has everything except the named programs."""

    def without(folder: Path, *names: str) -> dict:
        folder.mkdir()
        for entry in os.environ["PATH"].split(os.pathsep):
            for program in Path(entry).glob("*"):
                if not program.name.startswith(names) and not os.path.lexists(folder / program.name):
                    (folder / program.name).symlink_to(program)
        return {**os.environ, "PATH": str(folder)}

    return without
