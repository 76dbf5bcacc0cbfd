from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.waiting import until
from workflow_engine import processes
from workflow_engine.processes import Process, Stack

KEEP = [sys.executable, "-m", "workflow_engine.keep", sys.executable, "-c"]
WAIT = "import signal; print('up', flush=True); signal.pause()"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "kept.log"


@pytest.fixture
def kept(log: Path) -> Iterator[Process]:
    process = processes.start([*KEEP, WAIT], log, cwd=processes.ROOT, env=processes.environment())
    yield process
    processes.stop(process, signal.SIGKILL)


def times_up(log: Path) -> int:
    return log.read_text().count("up")


def child_of(process: Process) -> psutil.Process:
    return until(lambda: psutil.Process(process.pid).children())[0]


def test_a_command_that_dies_is_started_again(kept: Process, log: Path) -> None:
    until(lambda: times_up(log) == 1)

    child_of(kept).kill()

    until(lambda: times_up(log) == 2)
    assert "process.died" in log.read_text()


def test_a_kept_command_stops_when_it_is_told_to(kept: Process, log: Path) -> None:
    until(lambda: times_up(log) == 1)
    child = child_of(kept)

    kept.terminate()

    assert kept.wait(10) == 0
    until(lambda: not child.is_running())


def test_a_kept_command_dies_with_its_keeper(kept: Process, log: Path) -> None:
    until(lambda: times_up(log) == 1)
    child = child_of(kept)

    processes.kill(kept)

    until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_command_that_ends_well_is_not_started_again(log: Path) -> None:
    done = subprocess.run([*KEEP, "print('up')"], cwd=processes.ROOT, stdout=subprocess.PIPE, text=True, check=False)

    assert (done.returncode, done.stdout.count("up")) == (0, 1)


def test_the_engine_comes_up_survives_its_worker_and_leaves_nothing(stack: Stack) -> None:
    with stack:
        stack.up()
        assert processes.answers(f"{stack.address}/healthz")
        worker = stack.start("worker", WORKER_NAME="2")
        until(lambda: "worker-2@" in (stack.folder / "worker.log").read_text(), seconds=60)

        processes.kill(worker)

        assert processes.answers(f"{stack.address}/readyz")
        groups = [each.pid for each in stack.started]
    assert [each for each in psutil.pids() if group_of(each) in groups] == []


def group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None
