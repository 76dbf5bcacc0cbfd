from __future__ import annotations

from typing import Any

import pytest

from apps.instances.models import Instance
from apps.signals.models import SignalKey
from tests.integration.gateway.callers import Person, Signer, problem, refused
from tests.integration.gateway.shop import PLACED, work

URL = "/api/v1/workflows/Order/start"


def test_an_operator_starts_an_instance_and_follows_it(order: None, operator: Person, orders: Signer) -> None:
    answer = operator.post(URL, {"args": [PLACED]})
    assert answer.status_code == 201
    started = answer.json()
    assert (started["workflow"], started["key"], started["status"]) == ("Order", "A1", "running")
    url = f"/api/v1/instances/{started['id']}"
    work()
    waiting = operator.get(url).json()
    assert (waiting["status"], waiting["state"]["paid"]) == ("waiting", 0)
    assert [each["signal"] for each in waiting["waits"]] == ["Paid"]
    assert waiting["waits"][0]["criteria"] is not None
    for number in (1, 2):
        orders.push({"uid": f"p{number}", "name": "Paid", "payload": {"order_id": "A1", "amount": 5}})
        work()
    ended = operator.get(url).json()
    assert (ended["status"], ended["result"], ended["waits"]) == ("completed", "paid", [])
    history = operator.get(url + "/history").json()["items"]
    assert [each["seq"] for each in history] == list(range(1, len(history) + 1))
    assert history[-1]["state"]["paid"] == 10


def test_a_service_starts_an_instance(order: None, orders: Signer) -> None:
    answer = orders.send("POST", URL, {"args": [PLACED], "key": "mine", "uid": "s1"})
    assert (answer.status_code, answer.json()["key"]) == (201, "mine")


def test_arguments_may_be_named(order: None, operator: Person) -> None:
    assert operator.post(URL, {"args": {"placed": PLACED}}).status_code == 201


def test_a_repeated_start_answers_the_same_instance(order: None, orders: Signer) -> None:
    body = {"args": [PLACED], "uid": "s1"}
    first, again = (orders.send("POST", URL, body) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = orders.send("POST", URL, {"args": [{**PLACED, "total": 11}], "uid": "s1"})
    assert refused(other) == (409, "uid_conflict")
    assert Instance.objects.count() == 1


def test_a_live_key_is_refused(order: None, operator: Person, orders: Signer) -> None:
    operator.post(URL, {"args": [PLACED]})
    assert refused(operator.post(URL, {"args": [PLACED]})) == (409, "key_in_use")
    assert refused(orders.send("POST", URL, {"args": [PLACED], "uid": "s2"})) == (409, "key_in_use")
    assert Instance.objects.count() == 1
    assert not SignalKey.objects.exists()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (422, "bad_arguments")),
        ({"args": []}, (422, "bad_arguments")),
        ({"args": [{"order_id": "A1"}]}, (422, "bad_arguments")),
        ({"args": [{"order_id": "A1", "total": "ten"}]}, (422, "bad_arguments")),
        ({"args": [PLACED, PLACED]}, (422, "bad_arguments")),
        ({"args": {"nobody": 1}}, (422, "bad_arguments")),
        ({"args": "text"}, (422, "invalid_body")),
        ({"args": [PLACED], "key": 5}, (422, "invalid_body")),
        ({"args": [PLACED], "uid": ""}, (422, "invalid_body")),
        ({"args": [PLACED], "uid": "x" * 201}, (422, "invalid_body")),
        ({"args": [PLACED], "uid": "a\n"}, (422, "invalid_body")),
        ([], (422, "invalid_body")),
        (b"nonsense", (400, "malformed_body")),
    ],
)
def test_bad_starts_are_refused_and_store_nothing(
    order: None, orders: Signer, body: Any, expected: tuple[int, str]
) -> None:
    assert refused(orders.send("POST", URL, body)) == expected
    assert not Instance.objects.exists()
    assert not SignalKey.objects.exists()


def test_bad_arguments_name_the_parameter(order: None, operator: Person) -> None:
    answer = operator.post(URL, {"args": [{"order_id": "A1"}]})
    assert "total" in problem(answer)["detail"]


def test_an_unknown_workflow_is_refused(order: None, operator: Person) -> None:
    assert refused(operator.post("/api/v1/workflows/Nobody/start")) == (404, "unknown_workflow")


def test_only_operators_and_services_start(order: None, viewer: Person, orders: Signer) -> None:
    assert refused(viewer.post(URL, {"args": [PLACED]})) == (403, "forbidden")
    assert refused(viewer.client.post(URL)) == (401, "unauthenticated")
    wrong = orders.send("POST", URL, {"args": [PLACED]}, **{"X-Workflow-Key": "key_0"})
    assert refused(wrong) == (401, "signature_mismatch")
    assert not Instance.objects.exists()


def test_a_start_wants_json(order: None, operator: Person) -> None:
    answer = operator.client.post(
        URL, "a=b", content_type="application/x-www-form-urlencoded", headers=operator.headers
    )
    assert refused(answer) == (415, "unsupported_media_type")


def test_a_workflows_signals_can_be_pushed(order: None, orders: Signer, operator: Person) -> None:
    placed = {"uid": "o1", "name": "Placed", "payload": PLACED}
    assert orders.push(placed).json()["accepted"] == 1
    work()
    (instance,) = operator.get("/api/v1/instances").json()["items"]
    assert (instance["workflow"], instance["key"], instance["status"]) == ("Order", "A1", "waiting")
    (signal,) = operator.get("/api/v1/signals").json()["items"]
    shown = operator.get(f"/api/v1/signals/{signal['id']}").json()
    assert (shown["matched"], [each["instance"] for each in shown["deliveries"]]) == (True, [instance["id"]])
