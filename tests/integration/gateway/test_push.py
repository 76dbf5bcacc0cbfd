from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from apps.accounts.models import Tenant
from apps.catalog.services import enrol, register, revoke
from apps.signals.models import Signal, SignalKey
from tests.integration.gateway.callers import Signer, paid, problem, refused

URL = "/api/v1/signals"


@pytest.fixture
def nothing_stored(db: None) -> Iterator[None]:
    """Checks after the test that no row was written."""
    yield
    assert not Signal.objects.exists()
    assert not SignalKey.objects.exists()


refusal = pytest.mark.usefixtures("nothing_stored")


def test_a_batch_is_stored_and_counted(orders: Signer) -> None:
    answer = orders.push(paid("u1"), paid("u2", amount=7), paid("u1"))
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 2, "duplicates": 1, "rejected": []}
    stored = Signal.objects.order_by("pk")
    assert [(each.uid, json.loads(each.payload)["amount"]) for each in stored] == [("u1", 5), ("u2", 7)]
    assert {each.service for each in stored} == {orders.row}


def test_one_signal_may_be_an_object(orders: Signer) -> None:
    item = {**paid("u1"), "occurred_at": "2026-01-01T10:00:00+02:00", "correlation_id": "c-1"}
    assert orders.send("POST", URL, item).json() == {"accepted": 1, "duplicates": 0, "rejected": []}
    stored = Signal.objects.get()
    assert (stored.occurred_at.isoformat(), stored.correlation_id) == ("2026-01-01T08:00:00+00:00", "c-1")


def test_what_is_wrong_is_refused_item_by_item_and_the_rest_is_stored(orders: Signer) -> None:
    answer = orders.push(
        paid("good-1"),
        {"uid": "u1", "name": "Nobody", "payload": {}},
        paid("u2", amount="much"),
        {"uid": "sp ace", "name": "Paid", "payload": {}},
        {"name": "Paid", "payload": {}},
        "no object",
        {**paid("u3"), "occurred_at": "2026-01-01T00:00:00"},
        {**paid("u4"), "payload": ["no object"]},
        paid("good-2"),
        paid("good-1", amount=6),
        {**paid("u5\n")},
        {**paid("u6"), "occurred_at": "0001-01-01T00:00:00+12:00"},
        {**paid("good-3"), "occurred_at": "2026-01-01T00:00:00+23:59"},
    ).json()
    assert (answer["accepted"], answer["duplicates"]) == (3, 0)
    assert [(each["index"], each["uid"], each["code"]) for each in answer["rejected"]] == [
        (1, "u1", "unknown_signal"),
        (2, "u2", "invalid_payload"),
        (3, "sp ace", "invalid_item"),
        (4, None, "invalid_item"),
        (5, None, "invalid_item"),
        (6, "u3", "invalid_item"),
        (7, "u4", "invalid_payload"),
        (9, "good-1", "uid_conflict"),
        (10, "u5\n", "invalid_item"),
        (11, "u6", "invalid_item"),
    ]
    assert "amount" in answer["rejected"][1]["detail"]
    assert sorted(Signal.objects.values_list("uid", flat=True)) == ["good-1", "good-2", "good-3"]


@refusal
@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"uid": "u1", "name": "Nobody", "payload": {}}, (404, "unknown_signal")),
        (paid("u1", amount="much"), (422, "invalid_payload")),
        (paid(""), (422, "invalid_item")),
    ],
)
def test_a_lone_object_that_is_refused_is_a_problem(orders: Signer, item: Any, expected: tuple[int, str]) -> None:
    assert refused(orders.send("POST", URL, item)) == expected


def test_a_lone_object_with_a_used_uid_conflicts_and_the_first_stays(orders: Signer) -> None:
    orders.push(paid("u1"))
    assert refused(orders.send("POST", URL, paid("u1", amount=6))) == (409, "uid_conflict")
    assert json.loads(Signal.objects.get().payload)["amount"] == 5


def test_a_replayed_request_changes_nothing(orders: Signer) -> None:
    moment = time.time() - 240
    first = orders.push(paid("u1"), paid("u2"), at=moment)
    again = orders.push(paid("u1"), paid("u2"), at=moment)
    assert (first.json()["accepted"], again.json()["accepted"], again.json()["duplicates"]) == (2, 0, 2)
    assert Signal.objects.count() == 2


def test_the_same_uid_of_two_services_is_two_signals(orders: Signer, tenant: Tenant, http: Client) -> None:
    other = register(enrol(tenant, "shop"), "shop")
    shop = Signer(client=http, service="shop", key_id=other.key_id, key=other.key)
    assert [each.push(paid("u1")).json()["accepted"] for each in (orders, shop)] == [1, 1]


def test_a_gzipped_body_is_signed_as_it_is_sent(orders: Signer) -> None:
    assert orders.push(paid("u1"), zipped=True).json()["accepted"] == 1


@refusal
def test_unsigned_is_refused(http: Client, db: None) -> None:
    answer = http.post(URL, b"[not even JSON", content_type="application/json")
    assert refused(answer) == (401, "signature_missing")
    assert answer.headers["WWW-Authenticate"]


@refusal
@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("nonsense", "signature_malformed"),
        ("t=1", "signature_malformed"),
        ("t=-1,v1=" + "0" * 64, "signature_malformed"),
        ("t=١٢٣,v1=" + "0" * 64, "signature_malformed"),
        ("t=1_0,v1=" + "0" * 64, "signature_malformed"),
        ("t=100000000000000000000,v1=" + "0" * 64, "signature_malformed"),
        ("t=1,t=2,v1=" + "0" * 64, "signature_malformed"),
        ("t=1,v1=" + "A" * 64, "signature_malformed"),
        ("t=1,v1=" + "é" * 64, "signature_malformed"),
        ("t=1,v1=" + "0" * 10_000, "signature_malformed"),
        ("t=1,v1=" + "0" * 64, "signature_stale"),
        ("t=NOW,v1=" + "0" * 64, "signature_mismatch"),
    ],
)
def test_wrong_signature_headers_are_refused(orders: Signer, header: str, code: str) -> None:
    answer = orders.push(paid("u1"), **{"X-Workflow-Signature": header.replace("NOW", str(int(time.time())))})
    assert refused(answer) == (401, code)


@refusal
@pytest.mark.parametrize("skew", [-301, 301, -86_400])
def test_stale_signatures_are_refused_with_the_engines_time(orders: Signer, skew: int) -> None:
    answer = orders.push(paid("u1"), at=int(time.time()) + skew + (1 if skew > 0 else 0))
    assert refused(answer) == (401, "signature_stale")
    assert abs(problem(answer)["now"] - time.time()) < 30


@refusal
@pytest.mark.parametrize(
    "changed",
    [
        {"X-Workflow-Key": "key_000000000000000000000000"},
        {"X-Workflow-Key": ""},
        {"X-Workflow-Key": "\x00"},
        {"X-Workflow-Service": "shop"},
        {"X-Workflow-Service": ""},
    ],
)
def test_wrong_names_are_refused_alike(orders: Signer, changed: dict[str, str]) -> None:
    answer = orders.push(paid("u1"), **changed)
    assert refused(answer) == (401, "signature_mismatch")


@refusal
def test_refused_keys_answer_like_unknown_ones(orders: Signer) -> None:
    unknown = problem(orders.push(paid("u1"), **{"X-Workflow-Key": "key_0"}))
    assert revoke(orders.key_id)
    assert problem(orders.push(paid("u1"))) == unknown


@refusal
def test_refused_when_body_path_or_method_was_changed(orders: Signer, http: Client) -> None:
    sent: dict[str, Any] = {}

    class Wire:
        def generic(self, method: str, path: str, content: bytes, **rest: Any) -> Any:
            sent.update(method=method, path=path, content=content, **rest)

    Signer(client=Wire(), service="orders", key_id=orders.key_id, key=orders.key).push(paid("u1"))  # type: ignore[arg-type]
    rest = {"content_type": "application/json", "headers": sent["headers"]}
    content = sent["content"]
    for method, path, body in (
        ("POST", URL, content.replace(b"A1", b"A2")),
        ("POST", URL + "?x=1", content),
        ("PUT", "/api/v1/services/orders/signals", content),
    ):
        assert refused(http.generic(method, path, body, **rest)) == (401, "signature_mismatch")


@refusal
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'"text"',
        b"7",
        b"null",
        b'[{"uid": "u1"',
        b"\xff\xfe",
        b'{"uid": "u1", "name": "Paid", "payload": {"order_id": "A1", "amount": NaN}}',
        b'{"uid": "u1", "name": "Paid", "payload": {"order_id": "A1", "amount": 1e999}}',
        b'{"uid": "u1", "name": "Paid", "payload": {"order_id": "A1", "amount": -Infinity}}',
        b'{"uid": "u1", "uid": "u2", "name": "Paid", "payload": {"order_id": "A1", "amount": 1}}',
        b'{"uid": "u1", "name": "Paid", "payload": {"order_id": "\\u0000", "amount": 1}}',
        b'{"uid": "u1", "name": "Paid", "payload": {"order_id": "\\ud800", "amount": 1}}',
        b'{"uid": "u1", "name": "Paid", "payload": {"order_id": "A1", "amount": ' + b"9" * 5000 + b"}}",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"uid": "u1", "name": "Paid", "payload": {"order_id": ' + b"[" * 70 + b"]" * 70 + b', "amount": 1}}',
    ],
    ids=lambda body: repr(body[:60]),
)
def test_malformed_bodies_are_refused(orders: Signer, body: bytes) -> None:
    assert refused(orders.send("POST", URL, body)) == (400, "malformed_body")


def test_escapes_that_only_look_like_nul_are_text(orders: Signer) -> None:
    assert orders.push(paid("u1", order_id="a \\u0000 b")).json()["accepted"] == 1


def test_a_text_of_brackets_is_not_depth(orders: Signer) -> None:
    assert orders.push(paid("u1", order_id="[" * 500)).json()["accepted"] == 1


@refusal
def test_refused_over_the_limit_of_items(orders: Signer) -> None:
    answer = orders.push(*(paid(f"u{number}") for number in range(1001)))
    assert refused(answer) == (413, "too_many_items")


@refusal
def test_refused_over_the_limit_of_the_body(orders: Signer, workflow_settings: Any) -> None:
    workflow_settings(body_limit=1000)
    big = paid("u1", order_id="x" * 2000)
    assert refused(orders.push(big)) == (413, "body_too_large")
    # Size comes before the signature: nobody makes the engine hash what it would not read.
    assert refused(orders.push(big, **{"X-Workflow-Key": "key_0"})) == (413, "body_too_large")


@refusal
def test_refused_when_it_unzips_over_the_limit(orders: Signer, workflow_settings: Any) -> None:
    workflow_settings(body_limit=10_000)
    assert refused(orders.push(paid("u1", order_id="x" * 20_000), zipped=True)) == (413, "body_too_large")


@refusal
@pytest.mark.parametrize(
    "body", [b"not gzip", gzip.compress(b"[]")[:-4], gzip.compress(b"[]") + b"x"], ids=["plain", "cut", "trailing"]
)
def test_broken_gzip_is_refused(orders: Signer, body: bytes) -> None:
    answer = orders.send("POST", URL, body, **{"Content-Encoding": "gzip"})
    assert refused(answer) == (400, "malformed_body")


@refusal
def test_unknown_encodings_are_refused(orders: Signer) -> None:
    answer = orders.send("POST", URL, [paid("u1")], **{"Content-Encoding": "br"})
    assert refused(answer) == (415, "unsupported_encoding")
