"""A whole engine of real processes, with what a test from outside does to it and asks of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from resumable import Signal
from resumable.client import WorkflowClient
from resumable.client.pace import Pace
from tests.servers.process import tail
from tests.servers.valkey import Valkey
from tests.waiting import until
from workflow_engine.env import redis
from workflow_engine.processes import Process, Stack, kill, wait_for_web

#: A client that does not wait long for an engine that is only starting.
QUICK = Pace(first_retry=0.1, slowest_retry=2.0)


class Engine:
    """Web, beat and a worker on a database and a Valkey of the test's own, for the length of a `with` block."""

    def __init__(self, folder: Path, valkey: Valkey, workflows: Path, **environ: str) -> None:
        self.folder = folder
        self.valkey = valkey
        given = {"BROKER_URL": valkey.url, "REDIS_URL": redis(valkey.url), "WORKFLOW_PATHS": str(workflows)}
        self.stack = Stack(folder / "logs", **(environ | given))
        self.database_url = self.stack.environ["DATABASE_URL"]
        self.workers: list[Process] = []
        self.web: Process

    def __enter__(self) -> Engine:
        try:
            self.start()
        except BaseException:
            self.stack.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stack.stop()

    def start(self) -> None:
        self.stack.manage("migrate", "--verbosity", "0")
        self.stack.manage("load_workflows")
        self.web = self.stack.start("web")
        self.start_worker()
        self.stack.start("beat")
        wait_for_web(self.stack.address, alive=lambda: self.web.poll() is None)

    def start_worker(self) -> None:
        """Start another worker; all write one log."""
        self.workers.append(self.stack.start("worker", WORKER_NAME=str(len(self.workers) + 1)))

    def kill_worker(self) -> None:
        """SIGKILL the newest worker and its pool, which must be running."""
        worker = self.workers[-1]
        assert worker.poll() is None, f"the worker ended by itself:\n{self.log('worker')}"
        kill(worker)

    def log(self, name: str) -> str:
        """The end of a process's log."""
        return tail(self.stack.folder / f"{name}.log")

    @contextmanager
    def client(self, service: str, *signals: type[Signal]) -> Iterator[WorkflowClient]:
        """A client of the engine, enrolled as `service`."""
        token = self.stack.manage("enrol", service).strip()
        outbox = self.folder / f"{service}.sqlite3"
        with WorkflowClient(
            service, engine=self.stack.address, outbox=outbox, enrol=token, signals=signals, pace=QUICK
        ) as client:
            yield client

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database answers."""
        parts = urlsplit(self.database_url)
        if parts.scheme == "sqlite":
            # Read-only, so that closing it never makes the checkpoint of somebody else's log.
            with closing(sqlite3.connect(f"file:{parts.path[1:]}?mode=ro", uri=True, timeout=20)) as file:
                return file.execute(query).fetchall()
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query.encode()).fetchall()

    def count(self, table: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {table}")[0][0])

    def steps(self) -> int:
        """History entries so far."""
        return self.count("wf_history")

    def wait(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait; a failure shows where the engine stands."""
        try:
            until(condition, seconds=seconds, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.describe()}; logs in {self.stack.folder}") from None

    def describe(self) -> str:
        tables = ("wf_signal", "wf_delivery", "wf_history", "wf_claim", "wf_look_back")
        statuses = self.rows("SELECT status, count(*) FROM wf_instance GROUP BY status")
        return f"{ {name: self.count(name) for name in tables} }, instances {dict(statuses)}\n{self.log('worker')}"
