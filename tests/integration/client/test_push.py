"""Pushing: what returned is stored, and reaches the engine once and in order."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from resumable import Workflow
from resumable.client import ClientClosed, OutboxBusy, OutboxFull, PayloadTooLarge, UidConflict, WorkflowClient
from resumable.client import client as client_module
from resumable.client.filelock import FileLock
from tests.integration.client.engine import Engine, Reply
from tests.integration.client.facts import Paid, Shipped
from tests.waiting import until

Connect = Callable[..., WorkflowClient]


def test_a_push_reaches_the_engine(engine: Engine, connect: Connect) -> None:
    client = connect()
    at = datetime(2026, 1, 1, tzinfo=UTC)
    uid = client.push(Paid(number=7, amount=Decimal("1.50")), occurred_at=at, correlation_id="c-1")
    assert client.flush(20)
    assert engine.signals == [
        {
            "uid": uid,
            "name": "Paid",
            "payload": {"number": 7, "amount": "1.50"},
            "occurred_at": "2026-01-01T00:00:00Z",
            "correlation_id": "c-1",
        }
    ]


def test_it_returns_while_the_engine_is_away_and_sends_when_it_is_back(engine: Engine, connect: Connect) -> None:
    client = connect()
    client.push(Paid(number=0))
    assert client.flush(20)
    engine.script.extend([Reply(503, "gone")] * 3)
    client.push(Paid(number=1))
    client.push(Paid(number=2))
    assert client.flush(20)
    assert [each["payload"]["number"] for each in engine.signals] == [0, 1, 2]
    assert engine.duplicates == 0


def test_ten_thousand_from_one_thread_keep_their_order(engine: Engine, connect: Connect) -> None:
    client = connect()
    uids = client.push_many([Paid(number=number) for number in range(9_000)])
    uids += [client.push(Paid(number=number)) for number in range(1_000)]
    assert client.flush(30)
    assert engine.uids == uids
    assert engine.duplicates == 0


def test_order_survives_failures_and_an_overflowing_memory(
    engine: Engine, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "MEMORY_ITEMS", 20)
    client = connect()
    uids = []
    for number in range(1_000):
        if number % 100 == 0:
            engine.script.append(Reply(503 if number % 200 else 500, "trouble"))
        uids.append(client.push(Paid(number=number)))
    assert client.flush(30)
    assert engine.uids == uids
    assert engine.duplicates == 0


def test_threads_push_side_by_side_each_in_its_order(engine: Engine, connect: Connect) -> None:
    client = connect()

    def work(thread: int) -> None:
        for number in range(200):
            client.push(Paid(number=thread * 1_000 + number))

    threads = [threading.Thread(target=work, args=(each,)) for each in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert client.flush(30)
    numbers = [each["payload"]["number"] for each in engine.signals]
    assert len(numbers) == len(set(numbers)) == 1_600
    for thread in range(8):
        own = [number for number in numbers if number // 1_000 == thread]
        assert own == sorted(own)


def test_tasks_push_without_blocking_the_loop(engine: Engine, connect: Connect) -> None:
    client = connect()

    async def work() -> list[str]:
        return await asyncio.gather(*(client.apush(Paid(number=number)) for number in range(300)))

    uids = asyncio.run(work())
    assert client.flush(20)
    assert engine.uids == uids


def test_a_cancelled_task_leaves_the_client_in_order(engine: Engine, connect: Connect) -> None:
    client = connect()

    async def work() -> None:
        task = asyncio.ensure_future(client.apush(Paid(number=1)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    uid = client.push(Paid(number=2))
    assert client.flush(20)
    assert uid in engine.uids


def test_an_answer_that_was_lost_makes_a_duplicate_that_changes_nothing(engine: Engine, connect: Connect) -> None:
    client = connect()
    client.push(Paid(number=0))
    assert client.flush(20)
    engine.script.append(Reply(502, "bad gateway", after_effect=True))
    uid = client.push(Paid(number=1))
    assert client.flush(20)
    assert engine.uids.count(uid) == 1
    assert engine.duplicates == 1


def test_large_batches_are_squeezed_small_ones_are_not(engine: Engine, connect: Connect) -> None:
    client = connect()
    client.push(Paid(number=1))
    assert client.flush(20)
    client.push_many([Paid(number=number) for number in range(500)])
    assert client.flush(20)
    assert engine.encodings[-1] == "gzip"
    assert "" in engine.encodings


def test_an_engine_without_gzip_gets_it_plain_from_then_on(engine: Engine, connect: Connect) -> None:
    engine.takes_gzip = False
    client = connect()
    for _ in range(2):
        client.push_many([Paid(number=number) for number in range(100)])
        assert client.flush(20)
    assert len(engine.signals) == 200
    assert [status for _, status, _ in engine.requests].count(415) == 1


def test_a_start_keeps_its_place_between_the_signals(engine: Engine, connect: Connect) -> None:
    client = connect()
    with client:
        first = client.push(Paid(number=1))
        uid = client.start("OrderFulfilment", Paid(number=5), key="A1")
        last = client.push(Paid(number=2))
        assert client.flush(20)
        outcome = client.outcome(uid)
    assert engine.uids == [first, last]
    assert engine.starts == [
        ("OrderFulfilment", {"args": [{"number": 5, "amount": "0"}], "key": "A1", "uid": uid}),
    ]
    assert outcome is not None
    assert (outcome.status, outcome.answer) == ("sent", "instance-1")
    paths = [path for path, _, _ in engine.requests if path != "/api/v1/services/register"]
    assert paths[-1] == "/api/v1/signals"


def test_a_uid_is_pushed_once(engine: Engine, connect: Connect) -> None:
    client = connect()
    assert client.push(Paid(number=1), uid="payment:1") == "payment:1"
    client.push(Paid(number=1), uid="payment:1")
    assert client.flush(20)
    client.push(Paid(number=1), uid="payment:1")
    with pytest.raises(UidConflict, match="payment:1"):
        client.push(Paid(number=2), uid="payment:1")
    assert client.flush(20)
    assert engine.uids == ["payment:1"]


def test_a_refused_body_never_overtakes_the_one_that_has_the_uid(engine: Engine, connect: Connect) -> None:
    """The uid's first body waits in the file of an ended client: the second one must not reach the engine before it."""
    engine.script.extend([Reply(503, "gone")] * 2)
    first = connect()
    first.push(Paid(number=1), uid="payment:9")
    first.close()
    client = connect()
    for _ in range(20):
        with pytest.raises(UidConflict):
            client.push(Paid(number=2), uid="payment:9")
    assert client.flush(20)
    assert [each["payload"]["number"] for each in engine.signals] == [1]
    assert client.stats().dead == 0


def test_push_many_stores_all_or_none(engine: Engine, connect: Connect) -> None:
    client = connect()
    with pytest.raises(PayloadTooLarge):
        client.push_many([Paid(number=1), big()])
    assert client.push_many([]) == []
    assert client.stats().pending == client.stats().sent == 0


class Note(msgspec.Struct):
    text: str


def big() -> Note:
    return Note(text="x" * (1 << 20))


@pytest.mark.parametrize(
    ("push", "error"),
    [
        (lambda client: client.push({"number": 1}), TypeError),
        (lambda client: client.push(Paid), TypeError),
        (lambda client: client.push(Paid(number=1), uid="with blank"), ValueError),
        (lambda client: client.push(Paid(number=1), occurred_at=datetime(2026, 1, 1)), ValueError),  # noqa: DTZ001
        (lambda client: client.push(big()), PayloadTooLarge),
        (lambda client: client.start("W", object()), TypeError),
    ],
)
def test_what_cannot_be_sent_is_refused_at_once(
    connect: Connect, push: Callable[[WorkflowClient], Any], error: type[Exception]
) -> None:
    client = connect()
    with pytest.raises(error):
        push(client)
    assert client.stats().pending == 0


@pytest.mark.parametrize("options", [{"engine": "localhost:8000"}, {"signals": [int]}])
def test_senseless_settings_are_refused_when_the_client_is_made(connect: Connect, options: dict[str, Any]) -> None:
    before = threading.active_count()
    with pytest.raises((ValueError, TypeError)):
        connect(**options)
    until(lambda: threading.active_count() == before)


def test_two_classes_of_one_name_are_refused(connect: Connect) -> None:
    client = connect()
    client.push(Paid(number=1))
    with pytest.raises(ValueError, match="two signal classes"):
        client.push(msgspec.defstruct("Paid", [("other", int)])(1))


def test_statistics_tell_where_things_stand(engine: Engine, connect: Connect) -> None:
    client = connect()
    engine.reject = lambda item: ("invalid_payload", "no") if item["payload"]["number"] == 1 else None
    client.push_many([Paid(number=number) for number in range(3)])
    assert client.flush(20)
    engine.gate.clear()
    before = datetime.fromtimestamp(time.time(), UTC)
    client.push(Paid(number=9))
    found = client.stats()
    engine.gate.set()
    assert (found.pending, found.dead, found.sent) == (1, 1, 2)
    assert found.oldest is not None
    assert timedelta(0) <= found.oldest - before < timedelta(seconds=20)


def test_a_full_outbox_is_an_error_with_the_uid_and_nothing_stored_is_lost(engine: Engine, connect: Connect) -> None:
    engine.gate.clear()
    client = connect(size_limit=512 << 10)
    stored: list[str] = []

    def push_until_full() -> None:
        while True:
            stored.append(client.push(Note(text="x" * 10_000)))

    with pytest.raises(OutboxFull) as caught:
        push_until_full()
    assert caught.value.uid not in stored
    with pytest.raises(OutboxFull) as of_a_new_class:
        client.push(Paid(number=1), uid="mine")
    assert of_a_new_class.value.uids == ("mine",)
    engine.gate.set()
    assert client.flush(20)
    assert engine.uids == stored


def test_a_held_file_is_said_and_the_push_may_be_repeated(
    engine: Engine, connect: Connect, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = connect()
    client.push(Paid(number=1))
    monkeypatch.setattr(client_module, "COMMIT_TIMEOUT", 0.1)
    holder = FileLock(path.with_name(path.name + ".lock"))
    with holder, pytest.raises(OutboxBusy) as caught:
        client.push(Paid(number=2))
    holder.close()
    monkeypatch.undo()
    assert client.push(Paid(number=2), uid=caught.value.uid) == caught.value.uid
    assert client.flush(20)
    assert engine.uids.count(caught.value.uid) == 1


def test_flush_says_when_it_was_not_enough_time(engine: Engine, connect: Connect) -> None:
    engine.gate.clear()
    client = connect()
    client.push(Paid(number=1))
    assert not client.flush(0.05)
    engine.gate.set()
    assert client.flush(20)


def test_a_closed_client_refuses_and_may_be_closed_again(connect: Connect) -> None:
    client = connect()
    client.close()
    client.close()
    for use in (lambda: client.push(Paid(number=1)), client.stats, client.flush):
        with pytest.raises(ClientClosed):
            use()


def test_the_name_of_a_signal_and_who_gets_it_are_declared_first(engine: Engine, connect: Connect) -> None:
    client = connect()
    client.push(Shipped(number=1))
    assert client.flush(20)
    assert engine.declared["orders.shipped"]["deliver"] == "one"
    assert engine.declared["orders.shipped"]["schema"]["properties"]["number"] == {"type": "integer"}
    assert engine.signals[0]["name"] == "orders.shipped"


class Fulfilment(Workflow, name="orders.fulfilment"):
    """A workflow whose name is not its class's."""

    async def run(self, number: int) -> None:
        await Paid.match(number=number)


def test_a_workflow_may_be_named_by_its_class(engine: Engine, connect: Connect) -> None:
    client = connect()
    client.start(Fulfilment, 5)
    assert client.flush(20)
    assert engine.starts[0][0] == "orders.fulfilment"
