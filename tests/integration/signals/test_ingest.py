"""Taking signals in: once, in order, in few statements."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.catalog.models import Service
from apps.signals.models import Signal
from apps.signals.services import Item, ingest
from tests.conftest import Clock
from tests.integration.execution.harness import Harness


def item(uid: str, **payload: object) -> Item:
    return Item(uid=uid, name="Paid", payload=payload)


def test_a_signal_is_stored_as_it_was_pushed(engine: Harness, clock: Clock) -> None:
    occurred = datetime(2025, 12, 31, tzinfo=UTC)
    pushed = Item(uid="u1", name="Paid", payload={"a": "é\x00"}, occurred_at=occurred, correlation_id="c1")
    assert ingest(engine.service, [pushed]).accepted == 1
    row = Signal.objects.get()
    assert (row.tenant, row.service, row.uid, row.name) == (engine.tenant, engine.service, "u1", "Paid")
    assert (row.payload, row.received_at, row.occurred_at, row.correlation_id) == (
        '{"a":"é\\u0000"}',
        clock(),
        occurred,
        "c1",
    )


def test_the_same_again_is_a_duplicate_however_its_json_was_ordered(engine: Harness) -> None:
    ingest(engine.service, [item("u1", a=1, b=2)])
    result = ingest(engine.service, [item("u1", b=2, a=1), item("u2")])
    assert (result.accepted, result.duplicates, result.rejected) == (1, 1, ())
    assert Signal.objects.count() == 2


@pytest.mark.parametrize("second", [item("u1", a=2), Item(uid="u1", name="Other", payload={"a": 1})])
def test_another_body_under_a_uid_is_a_conflict_and_the_rest_is_stored(engine: Harness, second: Item) -> None:
    ingest(engine.service, [item("u1", a=1)])
    result = ingest(engine.service, [item("u0"), second])
    assert (result.accepted, result.duplicates) == (1, 0)
    assert [(each.index, each.uid, each.code) for each in result.rejected] == [(1, "u1", "uid_conflict")]


def test_within_one_batch_it_is_the_same(engine: Harness) -> None:
    result = ingest(engine.service, [item("u1", a=1), item("u1", a=1), item("u1", a=2)])
    assert (result.accepted, result.duplicates, len(result.rejected)) == (1, 1, 1)


def test_the_uid_is_remembered_without_the_payload(engine: Harness) -> None:
    ingest(engine.service, [item("u1", a=1)])
    Signal.objects.all().delete()
    assert ingest(engine.service, [item("u1", a=1)]).duplicates == 1
    assert ingest(engine.service, [item("u1", a=2)]).rejected[0].code == "uid_conflict"


def test_two_services_may_use_one_uid(engine: Harness) -> None:
    other = Service.objects.create(tenant=engine.tenant, name="other")
    ingest(engine.service, [item("u1", a=1)])
    assert ingest(other, [item("u1", a=2)]).accepted == 1


def test_ids_and_times_grow_along_the_log_also_when_the_clock_is_set_back(engine: Harness, clock: Clock) -> None:
    ingest(engine.service, [item("u1"), item("u2")])
    clock.advance(hours=-1)
    ingest(engine.service, [item("u3")])
    rows = list(Signal.objects.order_by("pk"))
    assert [each.uid for each in rows] == ["u1", "u2", "u3"]
    assert rows[1].received_at <= rows[2].received_at


@pytest.mark.django_db(transaction=True)
def test_only_something_new_rings(doorbells: list[str], tmp_path: Path) -> None:
    engine = Harness(tmp_path)
    ingest(engine.service, [item("u1")])
    ingest(engine.service, [item("u1")])
    assert doorbells == ["signals.match"]


def test_the_number_of_statements_does_not_grow_with_the_batch(engine: Harness) -> None:
    counts = []
    for size in (1, 10, 300):
        with CaptureQueriesContext(connection) as queries:
            ingest(engine.service, [item(f"{size}-{n}", n=n) for n in range(size)])
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 9
