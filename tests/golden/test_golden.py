"""Snapshots of every released format load for ever, and those of one Python load in another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.golden.interpreters import environment, other_interpreters
from tests.golden.snapshots import WORKFLOWS, check, write

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FORMATS = sorted(path for path in HERE.iterdir() if path.name.startswith("format-"))


@pytest.mark.parametrize("folder", FORMATS, ids=lambda path: path.name)
def test_every_released_format_loads_and_runs_to_the_same_end(folder: Path) -> None:
    assert check(folder) > 3 * len(WORKFLOWS)


def test_this_release_still_writes_what_it_released(tmp_path: Path) -> None:
    """A snapshot that changes needs a new format, or it breaks what waits in production."""
    write(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_text() == (FORMATS[-1] / path.name).read_text()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("interpreter", other_interpreters(), ids=lambda path: path.parent.parent.name)
def test_snapshots_go_from_one_python_to_another(interpreter: Path, tmp_path: Path) -> None:
    python = environment(interpreter)
    run(python, "-m", "tests.golden.snapshots", "check", str(FORMATS[-1]))
    run(python, "-m", "tests.golden.snapshots", "write", str(tmp_path))
    assert check(tmp_path) > 3 * len(WORKFLOWS)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("interpreter", other_interpreters(), ids=lambda path: path.parent.parent.name)
def test_the_library_passes_its_tests_on_every_python(interpreter: Path) -> None:
    folders = [f"tests/unit/{name}" for name in ("kernel", "authoring", "shell")]
    told = run(environment(interpreter), "-m", "pytest", "--noconftest", "-q", *folders)
    assert " passed" in told


def run(python: Path, *arguments: str) -> str:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "RESUMABLE_PROGRAMS": "60"}
    done = subprocess.run([python, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{python}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout
