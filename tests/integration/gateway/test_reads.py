from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.accounts.models import Tenant
from apps.definitions.models import Artifact, Version, Workflow
from apps.instances.models import History, Instance
from apps.signals.models import Cursor, Delivery, Signal
from apps.waits.models import Template, Wait
from tests.integration.gateway.callers import Person, Signer, paid, refused

START = datetime(2026, 1, 1, tzinfo=UTC)
MakeInstance = Callable[..., Instance]


def workflow_of(tenant: Tenant, name: str) -> Workflow:
    artifact, _ = Artifact.objects.get_or_create(hash="a" * 64, defaults={"files": {"orders.py": ""}})
    workflow = Workflow.objects.create(tenant=tenant, name=name, doc="Ships.")
    workflow.version = Version.objects.create(
        workflow=workflow, artifact=artifact, label="1", module="orders", qualname=name, starts=[{"signal": "Placed"}]
    )
    workflow.save()
    return workflow


@pytest.fixture
def shipping(tenant: Tenant) -> Workflow:
    return workflow_of(tenant, "Shipping")


def make(workflow: Workflow, number: int = 0, **values: Any) -> Instance:
    return Instance.objects.create(
        tenant=workflow.tenant,
        workflow=workflow,
        version=workflow.version,
        **{"key": f"A{number}", "status": "waiting", "started_at": START + timedelta(hours=number), **values},
    )


def waiting(instance: Instance, number: int = 1) -> Wait:
    template, _ = Template.objects.get_or_create(
        digest="d" * 64,
        defaults={"tenant": instance.tenant, "workflow": instance.workflow, "signal": "Paid", "fields": []},
    )
    return Wait.objects.create(
        instance=instance, number=number, kind="signal", template=template, signal="Paid", since_at=START, line=7
    )


def ids(answer: Any) -> list[str]:
    return [each["id"] for each in answer.json()["items"]]


def test_an_instance_shows_its_state_and_open_waits(viewer: Person, shipping: Workflow) -> None:
    instance = make(shipping, result={"n": [1]}, snapshot="SECRET", revision=2)
    History.objects.create(instance=instance, seq=1, kind="started", state={"paid": "1"})
    History.objects.create(instance=instance, seq=2, kind="turn", state={"paid": "2"})
    waiting(instance)
    shown = viewer.get(f"/api/v1/instances/{instance.public_id}").json()
    assert shown["id"] == str(instance.public_id)
    assert (shown["workflow"], shown["version"]) == ("Shipping", {"label": "1", "hash": "a" * 64})
    assert (shown["key"], shown["status"], shown["revision"]) == ("A0", "waiting", 2)
    assert (shown["result"], shown["error"], shown["state"]) == ({"n": [1]}, None, {"paid": "2"})
    assert shown["started_at"] == "2026-01-01T00:00:00Z"
    assert [(each["number"], each["signal"], each["line"]) for each in shown["waits"]] == [(1, "Paid", 7)]
    assert "snapshot" not in shown


def test_instances_are_listed_newest_first_in_pages(viewer: Person, shipping: Workflow) -> None:
    made = [str(make(shipping, number).public_id) for number in range(5)]
    first = viewer.get("/api/v1/instances", limit=2)
    second = viewer.get("/api/v1/instances", limit=2, cursor=first.json()["next"])
    third = viewer.get("/api/v1/instances", limit=2, cursor=second.json()["next"])
    assert [ids(each) for each in (first, second, third)] == [made[:2:-1], made[2:0:-1], made[:1]]
    assert third.json()["next"] is None


def test_instances_are_filtered(viewer: Person, tenant: Tenant, shipping: Workflow) -> None:
    billing = workflow_of(tenant, "Billing")
    made = [make(shipping, 0), make(shipping, 1, status="paused"), make(billing, 2, key="B")]
    first, second, third = (str(each.public_id) for each in made)

    def listed(**query: str) -> list[str]:
        return ids(viewer.get("/api/v1/instances", **query))

    assert listed(workflow="Shipping") == [second, first]
    assert listed(workflow="Nothing") == []
    assert listed(status="paused") == [second]
    assert listed(status="paused,waiting", workflow="Shipping") == [second, first]
    assert listed(key="B") == [third]
    assert listed(since="2026-01-01T01:00:00Z") == [third, second]
    assert listed(until="2026-01-01T01:00:00+00:00") == [first]
    assert listed(since="2026-01-01T23:59:00+23:59") == [third, second, first]
    assert listed(since="2026-01-01T02:00:00+01:00", until="2026-01-01T02:00:00Z") == [second]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "asleep"},
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"cursor": "???"},
        {"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ"},
        {"limit": "0"},
        {"limit": "-1"},
        {"limit": "100000"},
        {"limit": "1e2"},
        {"workflow": "a\x00b"},
        {"key": "a\x00b"},
    ],
)
def test_bad_parameters_are_refused_by_name(viewer: Person, query: dict[str, str]) -> None:
    answer = viewer.get("/api/v1/instances", **query)
    assert refused(answer) == (400, "invalid_parameter")
    assert answer.json()["parameter"] == next(iter(query))


def test_history_is_listed_in_pages_in_order(viewer: Person, shipping: Workflow) -> None:
    instance = make(shipping)
    for seq in range(1, 6):
        History.objects.create(instance=instance, seq=seq, kind="turn", detail={"n": seq}, state={}, snapshot="SECRET")
    url = f"/api/v1/instances/{instance.public_id}/history"
    first = viewer.get(url, limit=3).json()
    second = viewer.get(url, limit=3, cursor=first["next"]).json()
    assert [each["seq"] for each in first["items"] + second["items"]] == [1, 2, 3, 4, 5]
    assert first["items"][1]["detail"] == {"n": 2}
    assert "snapshot" not in first["items"][0]


def test_waits_are_listed_longest_waiting_first(viewer: Person, shipping: Workflow) -> None:
    one, two = make(shipping, 1), make(shipping, 2)
    made = [waiting(two).pk, waiting(one).pk, waiting(one, 2).pk]
    due = START + timedelta(days=1)
    timer = Wait.objects.create(instance=two, number=9, kind="timer", due_at=due, since_at=START, name="late")
    answer = viewer.get("/api/v1/waits").json()["items"]
    assert [each["id"] for each in answer] == [*made, timer.pk]
    assert (answer[0]["instance"], answer[0]["workflow"]) == (str(two.public_id), "Shipping")
    assert (answer[3]["due_at"], answer[3]["name"], answer[3]["signal"]) == ("2026-01-02T00:00:00Z", "late", None)
    assert [each["id"] for each in viewer.get("/api/v1/waits", kind="timer").json()["items"]] == [timer.pk]
    assert len(viewer.get("/api/v1/waits", signal="Paid", workflow="Shipping").json()["items"]) == 3
    assert viewer.get("/api/v1/waits", workflow="Billing").json()["items"] == []
    of_one = viewer.get(f"/api/v1/instances/{one.public_id}/waits").json()["items"]
    assert [each["number"] for each in of_one] == [1, 2]


def test_workflows_are_listed_with_versions_and_counts(viewer: Person, tenant: Tenant, shipping: Workflow) -> None:
    for number, status in enumerate(("waiting", "waiting", "paused")):
        make(shipping, number, status=status)
    Workflow.objects.create(tenant=tenant, name="Never loaded", status="absent")
    first, second = viewer.get("/api/v1/workflows").json()["items"]
    assert (first["name"], first["doc"], first["status"]) == ("Shipping", "Ships.", "active")
    assert first["version"] == {"label": "1", "hash": "a" * 64}
    assert [each["label"] for each in first["versions"]] == ["1"]
    assert first["starts_on"] == [{"signal": "Placed"}]
    assert first["instances"] == {"waiting": 2, "paused": 1}
    assert (second["version"], second["instances"], second["versions"]) == (None, {}, [])


def test_signals_are_read_back(viewer: Person, orders: Signer, shipping: Workflow) -> None:
    orders.push({**paid("u1"), "occurred_at": "2026-01-01T00:00:00Z"}, paid("u2", amount=7))
    listed = viewer.get("/api/v1/signals").json()["items"]
    assert [each["uid"] for each in listed] == ["u2", "u1"]
    assert (listed[1]["service"], listed[1]["name"]) == ("orders", "Paid")
    assert (listed[1]["payload"], listed[1]["occurred_at"]) == ({"order_id": "A1", "amount": 5}, "2026-01-01T00:00:00Z")
    instance = make(shipping)
    Delivery.objects.create(signal_id=listed[1]["id"], instance=instance, state="consumed", seq=3)
    cursor = Cursor.objects.log()
    Cursor.objects.filter(pk=cursor.pk).update(position=listed[1]["id"])
    shown = [viewer.get(f"/api/v1/signals/{each['id']}").json() for each in listed]
    assert [each["matched"] for each in shown] == [False, True]
    assert shown[1]["deliveries"][0]["instance"] == str(instance.public_id)
    assert (shown[1]["deliveries"][0]["state"], shown[1]["deliveries"][0]["seq"]) == ("consumed", 3)


def test_signals_are_filtered(viewer: Person, orders: Signer) -> None:
    orders.push(paid("u1"))

    def count(**query: str) -> int:
        return len(viewer.get("/api/v1/signals", **query).json()["items"])

    assert [count(name="Paid"), count(name="Other"), count(service="orders"), count(service="shop")] == [1, 0, 1, 0]
    assert [count(since="2100-01-01T00:00:00Z"), count(until="2100-01-01T00:00:00Z")] == [0, 1]


def test_another_tenants_rows_are_not_there(viewer: Person) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    instance = make(workflow_of(other, "Secret"))
    History.objects.create(instance=instance, seq=1, kind="started")
    waiting(instance)
    signal = Signal.objects.create(id=7, tenant=other, uid="u1", name="Paid", payload="{}")
    for path in ("workflows", "instances", "waits", "signals"):
        assert viewer.get(f"/api/v1/{path}").json()["items"] == []
    assert ids(viewer.get("/api/v1/instances", workflow="Secret")) == []
    for path in ("", "/history", "/waits"):
        assert refused(viewer.get(f"/api/v1/instances/{instance.public_id}{path}")) == (404, "not_found")
    assert refused(viewer.get(f"/api/v1/signals/{signal.pk}")) == (404, "not_found")


@pytest.mark.parametrize(
    ("path", "queries"),
    # Each read first asks for the session and the person (2), the role (1) and the tenant (1).
    [("instances", 5), ("waits", 5), ("signals", 5), ("workflows", 7)],
)
def test_lists_cost_the_same_however_long(
    viewer: Person, orders: Signer, tenant: Tenant, path: str, queries: int, django_assert_num_queries: Any
) -> None:
    for number in range(3):
        workflow = workflow_of(tenant, f"W{number}")
        for key in range(4):
            waiting(make(workflow, key))
    orders.push(*(paid(f"u{number}") for number in range(10)))
    with django_assert_num_queries(queries):
        assert len(viewer.get(f"/api/v1/{path}").json()["items"]) >= 3


def test_a_detail_costs_four_queries(viewer: Person, shipping: Workflow, django_assert_num_queries: Any) -> None:
    instance = make(shipping)
    for number in range(5):
        waiting(instance, number)
    with django_assert_num_queries(7):
        viewer.get(f"/api/v1/instances/{instance.public_id}")
