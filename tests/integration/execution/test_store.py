"""What every store promises. On PostgreSQL the portable store is held to it as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.definitions.models import Version
from apps.execution.rows import Changes, NewInstance, Probe
from apps.execution.store import PortableStore, PostgresStore, Store, store
from apps.execution.store.base import LostRace
from apps.execution.store.portable import INSTANCE_CHANGES
from apps.instances.models import Claim, History, Instance, Instruction
from apps.lib import bulk
from apps.lib.jsontext import encode
from apps.signals.models import Delivery, Signal
from apps.waits.models import LookBack, Template, Wait
from tests.integration.execution.flows import ORDERS
from tests.integration.execution.harness import Harness

MOMENT = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(params=[PortableStore, pytest.param(PostgresStore, marks=pytest.mark.postgres)])
def any_store(request: pytest.FixtureRequest, engine: Harness) -> Store:
    engine.deploy(ORDERS)
    made: Store = request.param()
    return made


def test_the_store_of_this_database(db: None) -> None:
    expected = PostgresStore if connection.vendor == "postgresql" else PortableStore
    assert type(store()) is expected


def wanted(engine: Harness, key: str | None, signal: int) -> NewInstance:
    version = Version.objects.get()
    return NewInstance(
        tenant_id=engine.tenant.pk,
        workflow_id=version.workflow_id,
        version_id=version.pk,
        key=key,
        signal_id=signal,
        received_at=MOMENT,
    )


def signals(engine: Harness, count: int) -> list[int]:
    engine.push_all([("Paid", {"order": f"A{n}"}) for n in range(count)])
    return list(Signal.objects.order_by("pk").values_list("pk", flat=True))


def test_the_log_comes_in_order_and_bounded(any_store: Store, engine: Harness) -> None:
    ids = signals(engine, 5)
    assert [each.signal_id for each in any_store.log_after(ids[1], 2)] == ids[2:4]
    assert any_store.log_after(ids[4], 2) == []


def test_created_instances_have_their_start_signal(any_store: Store, engine: Harness) -> None:
    ids = signals(engine, 2)
    made = any_store.create([wanted(engine, None, ids[0]), wanted(engine, "k", ids[1])])
    rows = Instance.objects.in_bulk([each for each in made if each])
    assert [(rows[pk].key, rows[pk].live_key, rows[pk].status) for pk in made if pk] == [
        ("", None, "running"),
        ("k", "k", "running"),
    ]
    assert set(Delivery.objects.values_list("signal_id", "instance_id", "state")) == {
        (ids[0], made[0], "ready"),
        (ids[1], made[1], "ready"),
    }


def test_of_two_instances_with_one_key_the_first_is_created(any_store: Store, engine: Harness) -> None:
    ids = signals(engine, 3)
    assert any_store.create([wanted(engine, "k", ids[0])])[0] is not None
    second, third = any_store.create([wanted(engine, "k", ids[1]), wanted(engine, "other", ids[2])])
    assert second is None
    assert third is not None
    assert Delivery.objects.count() == 2


def waiting(engine: Harness, orders: int) -> tuple[Template, list[Wait]]:
    engine.push_all([("Placed", {"order": f"A{n}"}) for n in range(orders)])
    engine.settle()
    return Template.objects.get(), list(Wait.objects.order_by("pk"))


def test_candidates_are_the_waits_with_the_key(any_store: Store, engine: Harness) -> None:
    template, waits = waiting(engine, 3)
    probes = [
        Probe(0, template.pk, waits[2].key_hash),
        Probe(1, template.pk, waits[0].key_hash),
        Probe(2, template.pk, 5),
    ]
    found = any_store.candidates(probes, 0, 10)
    assert [(each.place, each.wait_id) for each in found] == [(0, waits[2].pk), (1, waits[0].pk)]
    assert found[0].criteria == waits[2].criteria
    assert (found[0].since_at, found[0].since_signal) == (waits[2].since_at, waits[2].since_signal)


def test_a_key_of_another_template_is_no_candidate(any_store: Store, engine: Harness) -> None:
    template, waits = waiting(engine, 1)
    assert any_store.candidates([Probe(0, template.pk + 1, waits[0].key_hash)], 0, 10) == []
    assert any_store.candidates([], 0, 10) == []


def test_candidates_come_in_pages(any_store: Store, engine: Harness) -> None:
    template, waits = waiting(engine, 5)
    Wait.objects.update(key_hash=7)
    probe = [Probe(0, template.pk, 7)]
    first = any_store.candidates(probe, 0, 3)
    assert [each.wait_id for each in first] == [each.pk for each in waits[:3]]
    assert [each.wait_id for each in any_store.candidates(probe, first[-1].wait_id, 3)] == [
        each.pk for each in waits[3:]
    ]


def test_delivering_twice_changes_nothing(any_store: Store, engine: Harness) -> None:
    _, waits = waiting(engine, 1)
    Delivery.objects.update(state="consumed", seq=1)
    pair = (waits[0].since_signal, waits[0].instance_id)
    any_store.deliver([pair])
    any_store.deliver_again([pair])
    assert list(Delivery.objects.values_list("state", "seq")) == [("consumed", 1)]


def test_what_was_declined_is_given_again_only_when_asked(any_store: Store, engine: Harness) -> None:
    _, waits = waiting(engine, 1)
    Delivery.objects.update(state="declined", seq=None)
    pair = (waits[0].since_signal, waits[0].instance_id)
    any_store.deliver([pair])
    assert Delivery.objects.get().state == "declined"
    any_store.deliver_again([pair])
    assert Delivery.objects.get().state == "ready"


def test_runnable_are_those_with_signals_instructions_or_due_waits(any_store: Store, engine: Harness) -> None:
    _, waits = waiting(engine, 6)
    ids = [each.instance_id for each in waits]
    later = max(each.due_at for each in waits if each.due_at)
    now = later - timedelta(days=1)
    assert any_store.runnable(now, 0, 10) == []
    any_store.deliver([(10**9 + n, ids[0]) for n in range(20)])
    Instruction.objects.create(instance_id=ids[1], kind="cancel")
    Wait.objects.filter(instance_id=ids[2]).update(due_at=now)
    Wait.objects.filter(instance_id=ids[3]).update(due_at=now, held=True)
    Instruction.objects.create(instance_id=ids[3], kind="cancel", held=True)
    any_store.deliver([(10**9, ids[4])])
    Instance.objects.filter(pk=ids[4]).update(alone=True)
    assert any_store.runnable(now, 0, 10) == ids[:3]
    assert any_store.runnable(now, 0, 2) == ids[:2]
    assert any_store.runnable(now, ids[0], 10) == ids[1:3]
    assert any_store.runnable_alone(now) == ids[4]
    Delivery.objects.filter(instance_id=ids[4]).update(state="held")
    assert any_store.runnable_alone(now) is None


def test_loading_brings_what_is_to_be_applied_in_order(any_store: Store, engine: Harness) -> None:
    _, waits = waiting(engine, 2)
    first, second = (each.instance_id for each in waits)
    ids = signals(engine, 4)[-4:]
    any_store.deliver([(ids[2], first), (ids[0], first), (ids[1], second), (ids[3], first)])
    Delivery.objects.filter(signal_id=ids[3]).update(state="held")
    Instruction.objects.create(instance_id=second, kind="cancel", scope="s", actor="me")
    loaded = any_store.load([first, second], 10)
    assert [each.id for each in loaded.instances] == [first, second]
    assert [each.signal_id for each in loaded.deliveries[first]] == [ids[0], ids[2]]
    assert [(each.name, each.payload) for each in loaded.deliveries[second]] == [("Paid", '{"order":"A1"}')]
    assert [each.number for each in loaded.waits[first]] == [1]
    assert loaded.waits[first][0].criteria == waits[0].criteria
    assert [(each.scope, each.actor) for each in loaded.instructions[second]] == [("s", "me")]
    assert sum(len(each) for each in any_store.load([first, second], 2).deliveries.values()) == 2


def instance_row(instance: Instance, **changes: Any) -> tuple[Any, ...]:
    values = {name: getattr(instance, name) for name in INSTANCE_CHANGES} | changes
    return (instance.pk, instance.revision, instance.revision + 1, *(values[name] for name in INSTANCE_CHANGES))


def test_a_batch_is_written_whole(any_store: Store, engine: Harness) -> None:
    template, waits = waiting(engine, 1)
    order = engine.only()
    text = "snap'shot \\ \" {} , NULL \u2028 é"
    opened = (
        order.pk, 2, "signal", template.pk, -5, "Paid", encode({"a": "\x00"}), "", "n", None, False, MOMENT, 3, "run", 9,
        MOMENT,
    )  # fmt: skip
    changes = Changes(
        instances=[instance_row(order, snapshot=text, result=encode({"x": [1]}), status="waiting")],
        history=[(order.pk, 2, "signal", MOMENT, encode({"a": "\x00"}), encode({}), text)],
        opened=[opened],
        closed=[waits[0].pk],
        consumed=[(Delivery.objects.get().pk, "consumed", 2)],
        owed={"waits": [[order.pk, [2]]]},
    )
    any_store.save(changes, MOMENT)
    saved = engine.only()
    assert (saved.revision, saved.snapshot, saved.result) == (2, text, {"x": [1]})
    assert Delivery.objects.get().seq == 2
    wait = Wait.objects.get()
    assert (wait.number, wait.key_hash, wait.criteria, wait.since_at) == (2, -5, {"a": "\x00"}, MOMENT)
    entry = History.objects.get(seq=2)
    assert (entry.detail, entry.snapshot, entry.at) == ({"a": "\x00"}, text, MOMENT)
    assert LookBack.objects.get().owed == {"waits": [[order.pk, [2]]]}


def test_a_save_over_another_revision_is_refused(any_store: Store, engine: Harness) -> None:
    waiting(engine, 1)
    order = engine.only()
    Instance.objects.update(revision=order.revision + 1)
    with pytest.raises(LostRace):
        any_store.save(Changes(instances=[instance_row(order, status="waiting")]), MOMENT)


def test_holding_keeps_signals_instructions_and_due_waits(any_store: Store, engine: Harness) -> None:
    _, waits = waiting(engine, 2)
    first, second = (each.instance_id for each in waits)
    any_store.deliver([(10**9, first), (10**9, second)])
    Instruction.objects.create(instance_id=first, kind="cancel")
    Wait.objects.update(due_at=MOMENT)
    any_store.save(Changes(held=[first]), MOMENT)
    assert any_store.runnable(MOMENT, 0, 10) == [second]


def test_allocated_ids_are_used_once(db: None) -> None:
    first = bulk.allocate(Signal, 3)
    bulk.insert(
        Signal,
        ("id", "tenant_id", "uid", "name", "payload", "received_at", "correlation_id"),
        [(pk, 1, f"u{pk}", "N", "{}", MOMENT, "") for pk in first],
    )
    second = bulk.allocate(Signal, 2)
    assert first == sorted(first)
    assert min(second) > max(first)


def test_updates_count_the_rows_they_changed(db: None) -> None:
    claim = Claim.objects.create(instance_ids=[1], started_at=MOMENT)
    rows = [(claim.token, MOMENT + timedelta(seconds=1))]
    assert bulk.update(Claim, ("token",), ("started_at",), rows) == 1
    claim.refresh_from_db()
    assert claim.started_at == MOMENT + timedelta(seconds=1)
    assert bulk.update(Claim, ("token",), ("started_at",), []) == 0
