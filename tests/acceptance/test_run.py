"""`make run`: everything is up, behind a login made for this installation, and one Ctrl-C ends all of it."""

from __future__ import annotations

import base64
import os
import re
import signal
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.waiting import until
from workflow_engine import processes

# The embedded default is what is run here, whatever this run of the tests was given.
OWN = ("DATABASE_URL", "BROKER_URL", "REDIS_URL", "SECRET_KEY", "WORKFLOW_ENCRYPTION_KEYS", "WORKFLOW_PATHS")
pytestmark = pytest.mark.sqlite


class Running:
    def __init__(self, folder: Path) -> None:
        self.var = folder / "var"
        self.log = folder / "run.log"
        environ = {name: value for name, value in processes.environment().items() if name not in OWN}
        environ |= {
            "WORKFLOW_VAR_DIR": str(self.var),
            "WEB_PORT": str(processes.unused_port()),
            "FLOWER_PORT": str(processes.unused_port()),
        }
        self.process = processes.start(
            [sys.executable, "-m", "workflow_engine.run"], self.log, cwd=processes.ROOT, env=environ
        )

    def says(self, pattern: str) -> str:
        found = until(lambda: re.search(pattern, self.log.read_text()), seconds=90, what=pattern)
        return str(found[1])

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    run = Running(tmp_path)
    yield run
    processes.stop(run.process, signal.SIGTERM)


def status(url: str, login: str = "") -> int:
    headers = {"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} if login else {}
    try:
        with urlopen(Request(url, headers=headers), timeout=20) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


@pytest.mark.timeout(240)
def test_everything_is_up_behind_a_login_and_ends_with_ctrl_c(running: Running) -> None:
    password = running.says(r"Login +operator / (\S+)")
    engine, flower = running.says(r"The engine +(\S+)/admin/"), running.says(r"Flower +(\S+)")

    assert status(f"{engine}/healthz") == 200
    assert status(f"{engine}/api/v1/instances") == 401
    until(lambda: answers(flower), seconds=60)
    assert status(flower) == 401
    assert status(flower, f"operator:{password}") == 200
    kept = running.var / "operator_password"
    assert kept.read_text() == password
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in secrets(running.var)} == {
        "encryption_keys": 0o600,
        "operator_password": 0o600,
        "secret_key": 0o600,
    }

    processes_of_run = running.descendants()
    os.kill(running.process.pid, signal.SIGINT)

    assert running.process.wait(30) == 0
    until(lambda: not any(is_running(each) for each in processes_of_run))


def answers(url: str) -> bool:
    try:
        return bool(status(url))
    except OSError:
        return False


def secrets(folder: Path) -> list[Path]:
    names = ("encryption_keys", "operator_password", "secret_key")
    return [path for path in folder.iterdir() if path.name in names]


def is_running(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
