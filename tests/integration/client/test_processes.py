"""Processes that die, restart, share a file and fork: every push that returned arrives."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from resumable.client import WorkflowClient
from tests.integration.client.engine import TOKEN, Engine, Reply
from tests.integration.client.facts import Paid

Connect = Callable[..., WorkflowClient]
Pusher = Callable[..., "subprocess.Popen[str]"]

ROOT = Path(__file__).parents[3]

#: Python 3.12 and later warn of what these tests are about.
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")


@pytest.fixture
def pusher(engine: Engine, path: Path) -> Iterator[Pusher]:
    """Starts processes that push into the outbox of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(count: int, *, token: str = TOKEN, offset: int = 0) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.integration.client.pusher"]
        arguments = [engine.url, str(path), token, str(count), str(offset)]
        pipe = subprocess.PIPE
        started.append(
            subprocess.Popen([*command, *arguments], cwd=ROOT, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        )
        return started[-1]

    yield start
    for each in started:
        each.kill()
        each.communicate()


def read(process: subprocess.Popen[str], count: int) -> list[str]:
    assert process.stdout is not None
    lines = [process.stdout.readline().strip() for _ in range(count)]
    assert all(lines), process.stderr.read() if process.stderr else ""
    return lines


def kill(process: subprocess.Popen[str]) -> list[str]:
    """Kills at once; returns the rest of what had returned before."""
    assert process.stdout is not None
    process.kill()
    rest = process.stdout.read()  # communicate() would skip what readline() has read ahead
    process.wait()
    return [line for line in rest.splitlines() if len(line) == 32]


def test_a_killed_process_loses_no_push_that_returned(engine: Engine, connect: Connect, pusher: Pusher) -> None:
    process = pusher(100_000)
    returned = read(process, 500)
    returned += kill(process)
    client = connect(enrol=None)
    assert client.flush(30)
    assert set(returned) <= set(engine.uids)
    # Beyond them at most the one push that was cut off while it waited for its commit.
    assert len(engine.uids) <= len(returned) + 1
    assert engine.uids[: len(returned)] == returned


def enrol(connect: Connect) -> None:
    """An enrolment before the engine goes away: a token whose answer is lost is spent."""
    client = connect()
    assert client.flush(20)
    client.push(Paid(number=-1), uid="enrolled")
    assert client.flush(20)
    client.close()


def test_the_same_while_the_engine_was_away_the_whole_time(engine: Engine, connect: Connect, pusher: Pusher) -> None:
    enrol(connect)
    engine.gate.clear()
    process = pusher(100_000)
    returned = read(process, 300)
    returned += kill(process)
    engine.gate.set()
    client = connect()
    assert client.flush(30)
    assert engine.uids[1 : len(returned) + 1] == returned


def test_again_and_again(engine: Engine, connect: Connect, pusher: Pusher) -> None:
    enrol(connect)
    returned: list[str] = []
    for round_ in range(5):
        engine.script.extend([Reply(503, "no"), Reply(502, "lost", after_effect=True)])
        process = pusher(100_000, offset=round_ * 1_000_000)
        returned += read(process, 40 * (round_ + 1))
        returned += kill(process)
    assert connect().flush(30)
    assert set(returned) <= set(engine.uids)
    assert len(engine.uids) == len(set(engine.uids))
    assert len(engine.uids) <= len(returned) + 5 + 1


def test_processes_share_a_file_without_sending_twice(engine: Engine, connect: Connect, pusher: Pusher) -> None:
    processes = [pusher(300, offset=1_000 * each) for each in range(4)]
    returned = [read(each, 300) for each in processes]
    for each in processes:
        _, errors = each.communicate(timeout=60)
        assert each.returncode == 0, errors
    assert connect().flush(30)
    assert sorted(engine.uids) == sorted(uid for each in returned for uid in each)
    assert engine.duplicates == 0
    for uids in returned:
        own = set(uids)
        assert [uid for uid in engine.uids if uid in own] == uids


def test_one_token_serves_processes_that_start_at_the_same_moment(engine: Engine, pusher: Pusher) -> None:
    processes = [pusher(1, offset=each) for each in range(4)]
    for each in processes:
        read(each, 1)
    engine.wait(lambda engine: len(engine.signals) == 4)
    assert [path for path, _, _ in engine.requests].count("/api/v1/services/register") == 1


def test_a_living_neighbour_takes_over_from_a_killed_one(engine: Engine, connect: Connect, pusher: Pusher) -> None:
    living = connect()
    living.push(Paid(number=1))
    assert living.flush(20)
    engine.gate.clear()
    process = pusher(50, token="")
    returned = read(process, 50)
    kill(process)
    engine.gate.set()
    engine.wait(lambda engine: set(returned) <= set(engine.uids))
    assert [uid for uid in engine.uids if uid in returned] == returned


@forks
def test_a_forked_child_pushes_on_its_own(engine: Engine, connect: Connect) -> None:
    client = connect()
    client.push(Paid(number=1), uid="parent-before")
    assert client.flush(20)
    child = os.fork()
    if child == 0:
        try:
            client.push(Paid(number=2), uid="child")
            os._exit(0 if client.flush(20) else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    client.push(Paid(number=3), uid="parent-after")
    assert client.flush(20)
    assert engine.uids == ["parent-before", "child", "parent-after"]


@forks
def test_a_child_forked_in_the_middle_of_commits_harms_nobody(engine: Engine, connect: Connect) -> None:
    client = connect()
    children = []
    for number in range(10):
        futures = [
            client._store([client._signal_item(Paid(number=each), None, None, None)], [Paid]) for each in range(20)
        ]
        child = os.fork()
        if child == 0:
            try:
                client.push(Paid(number=number), uid=f"child-{number}")
                client.close(20)
                os._exit(0)
            finally:
                os._exit(2)
        children.append(child)
        for each in futures:
            each.result(20)
    assert [os.waitstatus_to_exitcode(os.waitpid(each, 0)[1]) for each in children] == [0] * 10
    assert client.flush(20)
    engine.wait(lambda engine: len(engine.signals) == 210)
    assert {f"child-{number}" for number in range(10)} <= set(engine.uids)


def test_a_process_that_exits_leaves_its_lane_to_the_next(engine: Engine, connect: Connect, pusher: Pusher) -> None:
    enrol(connect)
    engine.gate.clear()
    process = pusher(20)
    returned = read(process, 20)
    process.send_signal(signal.SIGTERM)
    process.communicate()
    engine.gate.set()
    assert connect().flush(30)
    assert engine.uids[1:] == returned


def test_a_commit_is_on_the_disk_before_the_push_returns(tmp_path: Path) -> None:
    """Counts the syncs of 20 pushes, with the engine away."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    log = tmp_path / "syncs"
    script = (
        "from resumable.client import WorkflowClient\n"
        "from tests.integration.client.facts import Paid\n"
        f"client = WorkflowClient('orders', engine='http://127.0.0.1:9', outbox={str(tmp_path / 'o.sqlite3')!r})\n"
        "client.push(Paid(number=0))\n"
        "import os; os.write(2, b'begin'); [client.push(Paid(number=n)) for n in range(20)]; os.write(2, b'end')\n"
        "os._exit(0)\n"
    )
    command = [strace, "-f", "-qq", "-e", "trace=fsync,fdatasync,write", "-o", str(log), sys.executable, "-c", script]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if not log.exists() or "begin" not in log.read_text():
        pytest.skip(f"strace cannot trace here: {run.stderr[-200:]}")
    between = log.read_text().split('"begin"')[1].split('"end"')[0]
    assert between.count("sync(") >= 20
