"""The shop's services, each a process of its own that is told its events on stdin."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from signal import SIGTERM
from types import TracebackType
from typing import IO, Self

import plan

from workflow_engine.processes import Stack, dying_with_parent, kill

HERE = Path(__file__).resolve().parent
#: process → its program and the service it is. The bank tells both machines of the payments service.
SERVICES = {
    plan.ORDERS: ("orders_service.py", "orders"),
    plan.PAYMENTS: ("payments_service.py", "payments"),
    plan.REPLICA: ("payments_service.py", "payments"),
}
CLOSE_SECONDS = 70.0


class ServiceFailed(Exception):
    """A service ended otherwise than with everything pushed; the message says with what, and where its log is."""


class Shop:
    """The services, for the length of a `with` block. Outbox files are in `folder`."""

    def __init__(self, stack: Stack, engine: str, folder: Path) -> None:
        self.folder = folder
        self.running = {name: self.start(stack, engine, name) for name in SERVICES}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self.running.values():
            kill(process)

    def start(self, stack: Stack, engine: str, name: str) -> subprocess.Popen[bytes]:
        # Importable only once the demo has set Django up.
        from apps.accounts.services import default_tenant
        from apps.catalog.services import enrol

        program, service = SERVICES[name]
        token = enrol(default_tenant(), service)
        outbox = self.folder / f"{name}.sqlite3"
        with (stack.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - a program of this folder
                [sys.executable, str(HERE / program), "--engine", engine, "--outbox", str(outbox), "--enrol", token],
                env=stack.environ | {"PYTHONPATH": str(HERE / "workflows")},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
                preexec_fn=dying_with_parent(SIGTERM),
            )

    def push(self, pushes: Iterable[plan.Push]) -> None:
        for each in pushes:
            self.input(each.service).write(each.line().encode())
        for name in self.running:
            self.input(name).flush()

    def input(self, name: str) -> IO[bytes]:
        found = self.running[name].stdin
        assert found is not None
        return found

    def close(self) -> None:
        """Tell all that there is nothing more, and wait until each has brought everything to the engine."""
        for name, process in self.running.items():
            answer, _ = process.communicate(timeout=CLOSE_SECONDS)
            if process.returncode != 0:
                said = json.loads(answer) if answer else "nothing"
                raise ServiceFailed(f"{name} ended with {process.returncode} and said {said}; see {name}.log")
