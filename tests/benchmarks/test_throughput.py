"""How many signals a second go the whole way: pushed over HTTP, matched, their instances resumed and saved.

PostgreSQL (waiting for its disk at each commit), Valkey, web, beat, one worker and the client share this machine.
`BENCH_INSTANCES`, `BENCH_SIGNALS` and `BENCH_WORKER_PROCESSES` change the size.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import psutil
import pytest

from resumable.client import WorkflowClient
from tests.benchmarks.bare import Script
from tests.benchmarks.figures import Figures
from tests.benchmarks.workflows.meters import Installed, Reading
from tests.engine import Engine
from tests.servers.postgres import Postgres
from tests.servers.valkey import Valkey

INSTANCES = int(os.environ.get("BENCH_INSTANCES", "10000"))
SIGNALS = int(os.environ.get("BENCH_SIGNALS", "40000"))
PROCESSES = os.environ.get("BENCH_WORKER_PROCESSES", "1")
GOAL = 1500
CHUNK = 1000
WORKFLOWS = Path(__file__).parent / "workflows"


@pytest.fixture
def durable_postgres() -> Iterator[Postgres]:
    server = Postgres(durable=True).start()
    yield server
    server.close()


def test_signals_resumed_a_second(
    figures: Figures, durable_postgres: Postgres, private_valkey: Valkey, engine_environ: dict[str, str], tmp_path: Path
) -> None:
    environ = engine_environ | {
        "DATABASE_URL": durable_postgres.url,
        "WORKFLOW_WORKER_PROCESSES": PROCESSES,
        "WORKFLOW_LOG_LEVEL": "WARNING",
    }
    with Engine(tmp_path, private_valkey, WORKFLOWS, **environ) as engine:
        with engine.client("grid", Installed, Reading) as client:
            started = paced(engine, client, [Installed(meter=name(number)) for number in range(INSTANCES)])
            readings = [
                Reading(meter=name(number % INSTANCES), amount=Decimal(number) / 100) for number in range(SIGNALS)
            ]
            before = spent(engine, durable_postgres)
            resumed = paced(engine, client, readings)
            after = spent(engine, durable_postgres)
        check(engine)
    script = Script(durable_postgres.url)
    bare = script.run(SIGNALS)
    script.close()
    figures.add("waits open while measured", INSTANCES, "")
    figures.add("instances started", started, "/s")
    figures.add("signals resumed, the whole way", resumed, "/s")
    figures.add("the same rows by a bare script", bare, "/s")
    figures.add("part of the bare script's rate", 100 * resumed / bare, "%")
    for each, seconds in after.items():
        figures.add(f"processor time of {each}", 1e6 * (seconds - before[each]) / SIGNALS, "µs a signal")
    assert resumed >= GOAL


def name(number: int) -> str:
    return f"M{number}"


def paced(engine: Engine, client: WorkflowClient, signals: list[Installed] | list[Reading]) -> float:
    """Push and wait until all are applied; how many a second."""
    goal = engine.steps() + len(signals)
    began = time.perf_counter()
    for start in range(0, len(signals), CHUNK):
        client.push_many(signals[start : start + CHUNK])
    engine.wait(lambda: engine.steps() >= goal, seconds=600, what=f"{len(signals)} steps")
    return len(signals) / (time.perf_counter() - began)


def spent(engine: Engine, postgres: Postgres) -> dict[str, float]:
    """Seconds of processor time so far, by part."""
    assert postgres.running is not None
    web, worker = engine.web, engine.workers[-1]
    roots = {"the client": os.getpid(), "web": web.pid, "the worker": worker.pid, "PostgreSQL": postgres.running.pid}
    return {name: of_tree(pid, alone=name == "the client") for name, pid in roots.items()}


def of_tree(pid: int, *, alone: bool) -> float:
    root = psutil.Process(pid)
    return sum(
        of_one(each, with_ended=not alone) for each in ([root] if alone else [root, *root.children(recursive=True)])
    )


def of_one(process: psutil.Process, *, with_ended: bool) -> float:
    """Its own time, and that of its children that have ended."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    ended = times.children_user + times.children_system if with_ended else 0.0
    return float(times.user + times.system + ended)


def check(engine: Engine) -> None:
    """Every signal was one turn with a line of history, and every instance waits for the next."""
    assert engine.count("wf_signal") == engine.count("wf_history") == INSTANCES + SIGNALS
    assert engine.rows("SELECT status, count(*) FROM wf_instance GROUP BY status") == [("waiting", INSTANCES)]
    assert engine.rows("SELECT state, count(*) FROM wf_delivery GROUP BY state") == [("consumed", INSTANCES + SIGNALS)]
    assert engine.count("wf_wait") == INSTANCES
