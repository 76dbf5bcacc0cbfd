"""The writer: in order, in groups, and one bad operation harms no other."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from resumable.client import items, writer
from resumable.client.errors import ClientClosed, OutboxBroken, OutboxBusy, OutboxFull, OutboxUnusable, UidConflict
from resumable.client.items import SIGNAL, Item
from resumable.client.outbox import reading
from resumable.client.writer import Writer


@pytest.fixture
def running(path: Path) -> Iterator[Writer]:
    made = Writer(path, "orders", size_limit=512 << 10)
    made.start()
    yield made
    made.close()


def item(uid: str, body: bytes = b"{}") -> Item:
    return Item(uid=uid, kind=SIGNAL, name="Paid", body=body)


class Held:
    """Keeps the writer busy, so that what is submitted meanwhile becomes one group."""

    def __init__(self, running: Writer) -> None:
        self._running, self._entered, self._go = running, threading.Event(), threading.Event()

    def _block(self, _: sqlite3.Connection) -> None:
        self._entered.set()
        self._go.wait(20)

    def __enter__(self) -> None:
        self._running.submit(self._block)
        assert self._entered.wait(20)

    def __exit__(self, *_: object) -> None:
        self._go.set()


def test_what_is_done_is_committed(path: Path, running: Writer) -> None:
    running.submit(lambda connection: items.insert(connection, 1, [item("a")], 0.0)).result(20)
    with reading(path) as reader:
        assert items.outcome(reader, "a") is not None


def test_operations_run_in_the_order_of_their_submission(running: Writer) -> None:
    seen: list[int] = []
    with Held(running):
        futures = [running.submit(lambda _, number=number: seen.append(number)) for number in range(500)]
    for each in futures:
        each.result(20)
    assert seen == list(range(500))


def test_a_group_is_one_commit(path: Path, running: Writer) -> None:
    counts: list[int] = []

    def count(connection: sqlite3.Connection) -> None:
        counts.append(connection.total_changes if connection.in_transaction else -1)

    with Held(running):
        futures = [running.submit(count) for _ in range(50)]
    for each in futures:
        each.result(20)
    assert -1 not in counts


def test_a_conflict_is_its_pushers_affair_alone(running: Writer) -> None:
    with Held(running):
        good = running.submit(lambda connection: items.insert(connection, 1, [item("a")], 0.0))
        bad = running.submit(lambda connection: items.insert(connection, 1, [item("a", b"[]")], 0.0))
        after = running.submit(lambda connection: items.insert(connection, 1, [item("b")], 0.0))
    good.result(20)
    after.result(20)
    with pytest.raises(UidConflict):
        bad.result(20)


def test_a_full_file_is_said_and_what_is_sent_can_still_be_marked(running: Writer) -> None:
    def push(uid: str) -> None:
        body = b"x" * 20_000
        running.submit(lambda connection: items.insert(connection, 1, [item(uid, body)], 0.0), grows=True).result(20)

    stored: list[str] = []

    def push_until_full() -> None:
        while True:
            push(f"u{len(stored)}")
            stored.append(f"u{len(stored)}")

    with pytest.raises(OutboxFull):
        push_until_full()
    assert len(stored) > 10
    running.submit(lambda connection: items.settle(connection, stored, [], 1.0, None)).result(20)
    assert running.submit(items.stats).result(20).sent == len(stored)


def test_the_disk_being_full_in_the_middle_of_a_group_spares_what_takes_no_room(running: Writer) -> None:
    running.submit(lambda connection: items.insert(connection, 1, [item("a")], 0.0)).result(20)
    huge = item("huge", b"x" * (1 << 20))
    with Held(running):
        grows = running.submit(lambda connection: items.insert(connection, 1, [huge], 0.0), grows=True)
        marks = running.submit(lambda connection: items.settle(connection, ["a"], [], 1.0, None))
    with pytest.raises(OutboxFull):
        grows.result(20)
    marks.result(20)
    assert running.submit(items.stats).result(20).sent == 1


def test_a_fault_of_sqlite_fails_the_group_and_the_next_one_goes_on(running: Writer) -> None:
    with pytest.raises(OutboxBroken):
        running.submit(lambda connection: connection.execute("SELECT * FROM nowhere")).result(20)
    running.submit(lambda connection: items.insert(connection, 1, [item("a")], 0.0)).result(20)


def test_too_long_a_queue_is_refused(running: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAITING", 3)
    with Held(running):
        for _ in range(3):
            running.submit(lambda _: None)
        with pytest.raises(OutboxBusy):
            running.submit(lambda _: None)


def test_closing_commits_what_was_submitted(path: Path) -> None:
    made = Writer(path, "orders", size_limit=1 << 20)
    made.start()
    with Held(made):
        stored = made.submit(lambda connection: items.insert(connection, 1, [item("a")], 0.0))
        closing = threading.Thread(target=made.close)
        closing.start()
    closing.join(20)
    stored.result(0)
    with pytest.raises(ClientClosed):
        made.submit(lambda _: None)


def test_a_file_that_cannot_be_opened_is_said_to_who_starts_it(path: Path) -> None:
    path.write_text("no database" * 100)
    with pytest.raises(OutboxUnusable):
        Writer(path, "orders", size_limit=1 << 20).start()
