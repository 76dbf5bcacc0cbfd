"""Rule 7's race on two real connections, each side stopped at the worst moment: after its look, before its commit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections

from apps.execution.services import look_back, match, resume
from apps.execution.store import PostgresStore
from apps.signals import services
from apps.signals.models import Cursor, Delivery
from apps.waits.models import LookBack, Wait
from tests.integration.execution.flows import ORDERS
from tests.integration.execution.harness import Harness
from tests.waiting import until

pytestmark = pytest.mark.postgres

BLOCKED = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


class Stop:
    """A place where a thread stands still until it is let go."""

    def __init__(self) -> None:
        self.reached, self.let_go = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.reached.set()
        assert self.let_go.wait(20), "nobody let the thread go"


class Aside(threading.Thread):
    """Runs something on a connection of its own."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self.work, self.error = work, None
        self.start()

    def run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self.error = error
        finally:
            connections.close_all()

    def finish(self) -> None:
        self.join(20)
        assert not self.is_alive(), "the thread did not end"
        if self.error is not None:
            raise self.error


@contextmanager
def stopping(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> Iterator[Stop]:
    """Let the first caller of `owner.name` stand still after the call; the others pass."""
    stop, original, first = Stop(), getattr(owner, name), threading.Lock()

    def stopped(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        if first.acquire(blocking=False):
            stop()
        return result

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, stopped)
        yield stop


def blocked() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(BLOCKED)
        return bool(cursor.fetchone()[0])


def test_the_signal_is_matched_before_the_wait_commits(shared_engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The wait is written and not committed; the signal is matched meanwhile and finds none. The second look finds it."""
    shared_engine.deploy(ORDERS)
    shared_engine.push("Placed", order="A1")
    match.match()
    with stopping(monkeypatch, PostgresStore, "save") as stop:
        resuming = Aside(resume.resume)
        assert stop.reached.wait(20)
        shared_engine.push("Paid", order="A1")
        assert match.match().signals == 1
        assert Delivery.objects.filter(state="ready").count() == 1, "only the start"
        stop.let_go.set()
        resuming.finish()
    assert Delivery.objects.filter(state="ready").count() == 1
    shared_engine.settle()
    assert shared_engine.only().result == "paid"


def test_the_wait_commits_before_the_signal_is_matched(shared_engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The matcher has looked for waits and not committed; the wait commits and looks back: it must wait for the matcher."""
    shared_engine.deploy(ORDERS)
    shared_engine.push("Placed", order="A1")
    match.match()
    shared_engine.push("Paid", order="A1")
    with stopping(monkeypatch, PostgresStore, "candidates") as stop:
        matching = Aside(match.match)
        assert stop.reached.wait(20)
        resuming = Aside(resume.resume)
        until(lambda: Wait.objects.exists() and blocked(), what="the look back waits for the cursor")
        assert not Delivery.objects.exclude(state="consumed").exists()
        stop.let_go.set()
        matching.finish()
        resuming.finish()
    assert Delivery.objects.filter(state="ready").count() == 1
    shared_engine.settle()
    assert shared_engine.only().result == "paid"


def test_a_worker_dies_between_the_commit_of_a_wait_and_its_look_back(
    shared_engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_engine.deploy(ORDERS)
    shared_engine.push("Placed", order="A1")
    match.match()
    with stopping(monkeypatch, PostgresStore, "save") as stop, monkeypatch.context() as patched:
        patched.setattr(look_back, "settle", lambda: 0)
        resuming = Aside(resume.resume)
        assert stop.reached.wait(20)
        shared_engine.push("Paid", order="A1")
        match.match()
        stop.let_go.set()
        resuming.finish()
    assert LookBack.objects.count() == 1
    shared_engine.settle()
    assert shared_engine.only().result == "paid"


def test_signals_commit_in_the_order_of_their_ids(shared_engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ingest that has its ids and has not committed must not be overtaken, or the cursor would pass it by."""
    shared_engine.deploy(ORDERS)
    shared_engine.send("Placed", order="A1", total=2)
    with stopping(monkeypatch, services, "store") as stop:
        first = Aside(lambda: shared_engine.push("Paid", order="A1"))
        assert stop.reached.wait(20)
        second = Aside(lambda: shared_engine.push("Paid", order="A1"))
        until(blocked, what="the second ingest waits for the first")
        assert match.match().signals == 0
        stop.let_go.set()
        first.finish()
        second.finish()
    shared_engine.settle()
    assert shared_engine.only().result == "paid"


def test_a_retried_push_of_one_uid_at_the_same_moment_is_stored_once(
    shared_engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_engine.deploy(ORDERS)
    results: list[Any] = []
    item = services.Item(uid="u1", name="Placed", payload={"order": "A1"})
    with stopping(monkeypatch, services, "store") as stop:
        pushes = [Aside(lambda: results.append(services.ingest(shared_engine.service, [item]))) for _ in range(2)]
        assert stop.reached.wait(20)
        until(blocked, what="the second push waits for the first")
        stop.let_go.set()
        for push in pushes:
            push.finish()
    assert sorted((each.accepted, each.duplicates) for each in results) == [(0, 1), (1, 0)]


def test_two_workers_never_step_one_instance(shared_engine: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    shared_engine.deploy(ORDERS)
    shared_engine.send("Placed", order="A1", total=2)
    shared_engine.push("Paid", order="A1")
    match.match()
    with stopping(monkeypatch, PostgresStore, "load") as stop:
        first = Aside(resume.resume)
        assert stop.reached.wait(20)
        assert resume.resume().instances == 0
        stop.let_go.set()
        first.finish()
    assert shared_engine.only().revision == 2
    assert Cursor.objects.log().position
