"""The client against the engine's own gateway: they speak the same contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from apps.accounts.services import default_tenant
from apps.catalog.models import SignalType
from apps.catalog.services import enrol
from apps.signals.models import Signal as StoredSignal
from resumable.client import WorkflowClient
from tests.integration.client.conftest import QUICK
from tests.integration.client.facts import Paid, Shipped
from tests.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client(live_server: Any, doorbells: list[str], tmp_path: Path) -> Iterator[WorkflowClient]:
    token = enrol(default_tenant(), "orders")
    made = WorkflowClient(
        "orders", engine=live_server.url, outbox=tmp_path / "o.sqlite3", enrol=token, signals=[Paid], pace=QUICK
    )
    yield made
    made.close()


def test_enrolled_declared_pushed_and_stored_in_order(client: WorkflowClient) -> None:
    uids = client.push_many([Paid(number=number) for number in range(200)])
    uids.append(client.push(Shipped(number=1), correlation_id="c-1"))
    assert client.flush(30)
    assert client.stats().dead == 0
    assert list(StoredSignal.objects.order_by("id").values_list("uid", flat=True)) == uids
    assert set(SignalType.objects.values_list("name", flat=True)) >= {"Paid", "orders.shipped"}


def test_a_payload_that_does_not_fit_is_refused_alone(client: WorkflowClient) -> None:
    client.push(Paid(number=1))
    assert client.flush(30)
    odd = msgspec.defstruct("Other", [("number", str)], namespace={"__signal_name__": "Paid"})
    client._known["Paid"] = odd  # a class that was changed without its declaration
    bad = client.push(odd("one"))
    client._known["Paid"] = Paid
    good = client.push(Paid(number=2))
    assert client.flush(30)
    assert client.outcome(bad).code == "invalid_payload"  # type: ignore[union-attr]
    assert client.outcome(good).status == "sent"  # type: ignore[union-attr]


def test_a_start_of_an_unknown_workflow_is_a_dead_letter(client: WorkflowClient) -> None:
    uid = client.start("Nowhere", Paid(number=1))
    assert client.flush(30)
    outcome = client.outcome(uid)
    assert outcome is not None
    assert (outcome.status, outcome.code) == ("dead", "unknown_workflow")


def test_a_lost_key_is_refused_and_nothing_is_lost(client: WorkflowClient, caplog: pytest.LogCaptureFixture) -> None:
    client.push(Paid(number=1))
    assert client.flush(30)
    client._running().registration._credential = None
    client._running().writer.submit(lambda c: c.execute("UPDATE credential SET key = 'another'").rowcount).result(20)
    uid = client.push(Paid(number=2))
    until(lambda: "credential_refused" in caplog.text)
    assert client.outcome(uid).status == "pending"  # type: ignore[union-attr]
