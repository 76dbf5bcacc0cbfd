"""The replay of the real event log while its workers are killed and its broker is emptied: nothing changes in the result."""

from __future__ import annotations

from pathlib import Path

import pytest

from resumable.client import WorkflowClient
from tests.acceptance import receipt_log, test_receipt_log
from tests.acceptance.workflows.receipt import ReceiptEvent
from tests.engine import Engine
from tests.servers.valkey import Valkey

pytestmark = [test_receipt_log.needs_log, pytest.mark.timeout(300)]

KILLS = 10
#: The broker is emptied before this kill.
FLUSH_AT = KILLS // 2
SETTINGS = {
    # A step is blamed for so many deaths of its worker. Here it is never the step, so no number of them may count.
    "WORKFLOW_CRASH_TRIES": str(KILLS + 1),
    # A part of the log takes many batches, so that a worker dies between its first and its last.
    "WORKFLOW_MATCH_BATCH": "250",
    "WORKFLOW_RESUME_BATCH": "100",
}


def test_dying_workers_and_an_emptied_broker_change_nothing(
    engine_environ: dict[str, str], private_valkey: Valkey, tmp_path: Path
) -> None:
    events = receipt_log.read()
    with Engine(tmp_path, private_valkey, test_receipt_log.WORKFLOWS, **(engine_environ | SETTINGS)) as engine:
        with engine.client("permits", ReceiptEvent) as client:
            killed_at = [under_fire(engine, client, events, number) for number in range(KILLS)]
            client.push_many(events[end_of(events, KILLS - 1) :])
            assert client.flush(60)
            assert client.stats().dead == 0
        engine.wait(lambda: engine.steps() >= len(events), seconds=120, what="every event taken")
        test_receipt_log.check(engine, events)
        # Each worker was in the middle of the log when it died: killed by SIGKILL, with further events to take.
        assert [each.returncode for each in engine.workers[:KILLS]] == [-9] * KILLS
        assert all(steps < pushed for steps, pushed in killed_at)
        assert sorted(set(killed_at)) == killed_at


def under_fire(engine: Engine, client: WorkflowClient, events: list[ReceiptEvent], number: int) -> tuple[int, int]:
    """Push the next part and kill the worker.

    Returns (steps taken, events pushed).
    """
    before = engine.steps()
    pushed = end_of(events, number)
    client.push_many(events[end_of(events, number - 1) : pushed])
    engine.wait(lambda: reached(engine, number, before), seconds=60, what=f"a moment to die in part {number}")
    if number == FLUSH_AT:
        empty(engine.valkey)
    engine.kill_worker()
    steps = engine.steps()
    engine.start_worker()
    return steps, pushed


def reached(engine: Engine, number: int, before: int) -> bool:
    """By turns: it steps instances, it matches signals, it has just saved steps."""
    if number % 3 == 2:
        return engine.steps() > before
    stepping = "SELECT 1 FROM wf_claim WHERE instance_ids <> '[]'"
    matching = "SELECT 1 FROM wf_claim WHERE instance_ids = '[]'"
    return bool(engine.rows(matching if number % 3 else stepping))


def end_of(events: list[ReceiptEvent], number: int) -> int:
    """Where a part of the log ends. One part more than there are kills, so that the last worker has something to do."""
    return len(events) * (number + 1) // (KILLS + 1)


def empty(valkey: Valkey) -> None:
    """FLUSHALL: queues, unacknowledged messages, bindings and doorbell flags."""
    with valkey.client as redis:
        assert redis.dbsize() > 0
        redis.flushall()
