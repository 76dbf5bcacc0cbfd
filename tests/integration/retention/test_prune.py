"""What is old enough goes; what may still be needed stays."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session

from apps.execution.services import match, operate
from apps.instances.models import History, Instance
from apps.retention import services
from apps.retention.tasks import prune
from apps.signals.models import Delivery, Signal, SignalKey
from tests.conftest import Clock
from tests.integration.execution.flows import ORDERS
from tests.integration.execution.harness import Harness


def test_old_signals_go_and_young_ones_stay(engine: Harness, clock: Clock) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=5)
    engine.send("Paid", order="A1")
    clock.advance(days=29)
    engine.settle()
    engine.send("Placed", order="A2")
    assert services.prune()["signals"] == 0
    clock.advance(days=2)
    assert services.prune()["signals"] == 2
    assert [each.payload for each in Signal.objects.all()] == ['{"order":"A2"}']
    assert Delivery.objects.count() == 1


def test_what_is_unmatched_or_held_is_not_forgotten(engine: Harness, clock: Clock) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1")
    operate.pause(engine.only().pk, actor="me")
    engine.send("Paid", order="A1")
    engine.push("Paid", order="unmatched")
    clock.advance(days=400)
    services.prune()
    assert list(Signal.objects.values_list("payload", flat=True)) == ['{"order":"A1"}', '{"order":"unmatched"}']
    operate.resume(engine.only().pk, actor="me")
    engine.settle()
    assert engine.only().result == "paid"


def test_a_uid_is_remembered_longer_than_clients_retry(
    engine: Harness, clock: Clock, workflow_settings: object
) -> None:
    workflow_settings(signal_days=1)  # type: ignore[operator]
    engine.deploy(ORDERS)
    engine.push("Placed", uid="u1", order="A1")
    engine.settle()
    clock.advance(days=7, hours=23)
    engine.settle()
    assert services.prune() == {"signals": 1, "keys": 0, "instances": 0, "sessions": 0}
    assert engine.push("Placed", uid="u1", order="A1").duplicates == 1
    clock.advance(hours=2)
    assert services.prune()["keys"] == 1


def test_ended_instances_go_with_their_history_and_live_ones_never(engine: Harness, clock: Clock) -> None:
    engine.deploy(ORDERS)
    for order in ("ended", "live"):
        engine.send("Placed", order=order)
    operate.pause(engine.by_key("live").pk, actor="me")
    engine.send("Paid", order="ended")
    clock.advance(days=91)
    assert services.prune()["instances"] == 1
    assert Instance.objects.get().key == "live"
    assert set(History.objects.values_list("instance_id", flat=True)) == {engine.only().pk}


def test_it_works_in_batches_until_nothing_is_left(
    engine: Harness, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.push_all([("Nobody", {"n": n}) for n in range(25)])
    while match.match().signals:
        pass
    clock.advance(days=31)
    monkeypatch.setattr(services, "BATCH", 10)
    assert services.prune_signals() == 10
    prune()
    assert not Signal.objects.exists()
    assert not SignalKey.objects.exists()


def test_expired_sessions_go_and_others_stay(engine: Harness, clock: Clock) -> None:
    for key, days in (("old", 1), ("new", 3)):
        Session.objects.create(session_key=key, session_data="", expire_date=clock() + timedelta(days=days))
    clock.advance(days=2)
    assert services.prune()["sessions"] == 1
    assert Session.objects.get().session_key == "new"
