from __future__ import annotations

from typing import Any

import pytest

from apps.accounts.models import Tenant
from apps.instances.models import History, Instance
from apps.lib.ids import uuid7
from tests.integration.gateway.callers import Person, Signer, problem, refused
from tests.integration.gateway.shop import PLACED, work

VERBS = ("pause", "resume", "cancel", "retry", "rewind", "patch")


@pytest.fixture
def url(order: None, operator: Person) -> str:
    """The address of an instance that waits for its first payment."""
    answer = operator.post("/api/v1/workflows/Order/start", {"args": [PLACED]})
    work()
    return f"/api/v1/instances/{answer.json()['id']}"


def pay(orders: Signer, uid: str, amount: int) -> None:
    item = {"uid": uid, "name": "Paid", "payload": {"order_id": "A1", "amount": amount}}
    assert orders.push(item).json()["accepted"] == 1
    work()


def test_pause_keeps_and_resume_applies(url: str, operator: Person, orders: Signer) -> None:
    assert operator.post(url + "/pause", {"reason": "audit"}).json()["status"] == "paused"
    pay(orders, "p1", 10)
    assert operator.get(url).json()["status"] == "paused"
    answer = operator.post(url + "/resume", {"reason": "done"})
    assert (answer.status_code, answer.json()["status"]) == (200, "waiting")
    work()
    assert operator.get(url).json()["result"] == "paid"
    kinds = {each["kind"]: each["detail"] for each in operator.get(url + "/history").json()["items"]}
    assert (kinds["paused"]["actor"], kinds["paused"]["reason"]) == ("otto", "audit")


def test_cancel_ends_the_instance(url: str, operator: Person) -> None:
    answer = operator.post(url + "/cancel", {"reason": "customer left"})
    assert (answer.status_code, answer.json()["cancelling"]) == (200, True)
    work()
    assert operator.get(url).json()["status"] == "cancelled"


def test_retry_wakes_a_quarantined_instance(url: str, operator: Person) -> None:
    Instance.objects.update(status="quarantined", error="Traceback")
    shown = operator.get(url).json()
    assert (shown["status"], shown["error"]) == ("quarantined", "Traceback")
    assert operator.post(url + "/retry").json()["status"] == "waiting"


def test_rewind_goes_back_in_history(url: str, operator: Person, orders: Signer) -> None:
    pay(orders, "p1", 4)
    history = operator.get(url + "/history").json()["items"]
    to = next(each["seq"] for each in history if each["state"].get("paid") == 0)
    answer = operator.post(url + "/rewind", {"to": to, "reason": "wrong payment"})
    assert (answer.status_code, answer.json()["state"]["paid"]) == (200, 0)
    assert len(answer.json()["waits"]) == 1
    assert operator.get(url + "/history").json()["items"][: len(history)] == history


def test_patch_changes_state(url: str, operator: Person, orders: Signer) -> None:
    answer = operator.post(url + "/patch", {"state": {"paid": 9}, "reason": "paid in cash"})
    assert (answer.status_code, answer.json()["state"]["paid"]) == (200, 9)
    pay(orders, "p1", 1)
    assert operator.get(url).json()["result"] == "paid"


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("resume", {}, (409, "illegal_state")),
        ("retry", {}, (409, "illegal_state")),
        ("rewind", {"to": 999}, (404, "unknown_entry")),
        ("rewind", {"to": 10**30}, (404, "unknown_entry")),
        ("rewind", {"to": -1}, (404, "unknown_entry")),
        ("rewind", {}, (422, "invalid_body")),
        ("rewind", {"to": "1"}, (422, "invalid_body")),
        ("patch", {"state": {"paid": "much"}}, (422, "bad_patch")),
        ("patch", {"state": {"nobody": 1}}, (422, "bad_patch")),
        ("patch", {}, (422, "invalid_body")),
        ("patch", {"state": [1]}, (422, "invalid_body")),
        ("cancel", {"scope": "nobody"}, (404, "unknown_scope")),
        ("pause", {"reason": 5}, (422, "invalid_body")),
        ("pause", [], (422, "invalid_body")),
    ],
)
def test_bad_verbs_are_refused_and_change_nothing(
    url: str, operator: Person, verb: str, body: Any, expected: tuple[int, str]
) -> None:
    before = operator.get(url).json(), History.objects.count()
    answer = operator.client.post(f"{url}/{verb}", body, content_type="application/json", headers=operator.headers)
    assert refused(answer) == expected
    assert (operator.get(url).json(), History.objects.count()) == before


@pytest.mark.parametrize("verb", ["pause", "resume", "cancel", "retry", "patch"])
def test_what_has_ended_is_left_alone(url: str, operator: Person, orders: Signer, verb: str) -> None:
    pay(orders, "p1", 10)
    answer = operator.post(f"{url}/{verb}", {"state": {"paid": 0}})
    assert refused(answer) == (409, "illegal_state")
    assert "completed" in problem(answer)["detail"]


@pytest.mark.parametrize("verb", VERBS)
def test_verbs_need_an_operator(url: str, viewer: Person, orders: Signer, verb: str) -> None:
    before = Instance.objects.values().get()
    assert refused(viewer.post(f"{url}/{verb}", {"to": 1})) == (403, "forbidden")
    assert refused(viewer.client.post(f"{url}/{verb}")) == (401, "unauthenticated")
    assert refused(orders.send("POST", f"{url}/{verb}", {"to": 1})) == (401, "unauthenticated")
    assert Instance.objects.values().get() == before


@pytest.mark.parametrize("verb", VERBS)
def test_another_tenants_instance_is_not_there(url: str, operator: Person, verb: str) -> None:
    Instance.objects.update(tenant=Tenant.objects.create(slug="other", name="Other"))
    before = Instance.objects.values().get()
    assert refused(operator.post(f"{url}/{verb}", {"to": 1})) == (404, "not_found")
    assert refused(operator.post(f"/api/v1/instances/{uuid7()}/{verb}", {"to": 1})) == (404, "not_found")
    assert Instance.objects.values().get() == before
