"""The real event log through the whole engine: pushed by the client, matched and resumed by workers, one instance a case."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.acceptance import receipt_log
from tests.acceptance.workflows.receipt import ReceiptEvent
from tests.engine import Engine
from tests.servers.valkey import Valkey

needs_log = pytest.mark.skipif(not receipt_log.PATH.exists(), reason=f"the log is not here: {receipt_log.PATH}")
pytestmark = [needs_log, pytest.mark.timeout(240)]

WORKFLOWS = Path(__file__).parent / "workflows"
CHUNK = 1000


def test_each_case_collects_its_activities_in_order(
    engine_environ: dict[str, str], private_valkey: Valkey, tmp_path: Path
) -> None:
    events = receipt_log.read()
    assert len(events) == receipt_log.EVENTS
    with Engine(tmp_path, private_valkey, WORKFLOWS, **engine_environ) as engine:
        with engine.client("permits", ReceiptEvent) as client:
            for start in range(0, len(events), CHUNK):
                client.push_many(events[start : start + CHUNK])
            assert client.flush(60)
            assert client.stats().dead == 0
        engine.wait(lambda: engine.steps() >= len(events), seconds=90, what="every event taken")
        check(engine, events)


def check(engine: Engine, events: list[ReceiptEvent]) -> None:
    """Every case has one instance, which is completed with the log's activities; every event was one step."""
    expected = receipt_log.by_case(events)
    assert len(expected) == receipt_log.CASES
    rows = engine.rows("SELECT key, status, result FROM wf_instance")
    assert len(rows) == len(expected)
    assert {key: (status, json.loads(result or "null")) for key, status, result in rows} == {
        case: ("completed", activities) for case, activities in expected.items()
    }
    assert engine.steps() == engine.count("wf_signal") == len(events)
    assert engine.count("wf_wait") == 0
