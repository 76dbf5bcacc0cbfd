from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from apps.accounts.models import Tenant
from apps.catalog.models import EnrolmentToken, Service, ServiceKey, SignalType
from apps.catalog.services import Declaration, declare_signals, enrol, find_key, register
from apps.lib import clock as engine_clock
from apps.lib.sealing import SecretUnreadable, seal, unseal
from tests.integration.gateway.callers import PAID, Signer, paid, refused

URL = "/api/v1/services/register"
LOOSE = {"type": "object"}


def post(http: Client, **body: Any) -> Any:
    return http.post(URL, body, content_type="application/json")


def test_a_token_buys_a_key_that_signs(http: Client, tenant: Tenant) -> None:
    signals = {"Paid": {"schema": PAID, "deliver": "one"}}
    answer = post(http, token=enrol(tenant, "orders"), service="orders", signals=signals)
    assert answer.status_code == 200
    body = answer.json()
    assert (body["service"], body["rejected"]) == ("orders", [])
    assert answer.headers["Cache-Control"] == "no-store"
    signer = Signer(client=http, service="orders", key_id=body["key_id"], key=body["key"])
    assert signer.push(paid("u1")).json()["accepted"] == 1
    declared = SignalType.objects.get()
    assert (declared.name, declared.schema, declared.deliver) == ("Paid", PAID, "one")


def test_the_command_prints_a_token(http: Client, tenant: Tenant, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("enrol", "orders")
    assert post(http, token=capsys.readouterr().out.strip(), service="orders").status_code == 200


def test_neither_token_nor_key_can_be_read_from_the_database(http: Client, tenant: Tenant) -> None:
    token = enrol(tenant, "orders")
    key = post(http, token=token, service="orders").json()["key"]
    stored = repr([*EnrolmentToken.objects.values(), *Service.objects.values()])
    stored += repr([bytes(each.secret) for each in ServiceKey.objects.all()])
    assert token not in stored
    assert key not in stored


def test_a_token_works_once(http: Client, tenant: Tenant) -> None:
    token = enrol(tenant, "orders")
    assert post(http, token=token, service="orders").status_code == 200
    assert refused(post(http, token=token, service="orders")) == (401, "enrolment_token_invalid")
    assert ServiceKey.objects.count() == 1


def test_unusable_tokens_answer_alike_and_store_nothing(http: Client, tenant: Tenant, clock: Any) -> None:
    expired, other = enrol(tenant, "orders"), enrol(tenant, "shop")
    clock.advance(seconds=3601)
    answers = [post(http, token=token, service="orders") for token in (expired, other, "unknown", "")]
    assert {refused(each) for each in answers} == {(401, "enrolment_token_invalid")}
    assert len({each.content for each in answers}) == 1
    assert not Service.objects.exists()
    assert not EnrolmentToken.objects.exclude(used_at=None).exists()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"service": "orders"}, (401, "signature_missing")),
        ({"token": "t"}, (400, "malformed_body")),
        ({"token": "t", "service": 5}, (400, "malformed_body")),
        ({"token": "t", "service": "a b"}, (422, "invalid_name")),
        ({"token": "t", "service": ""}, (422, "invalid_name")),
        ({"token": "t", "service": "x" * 121}, (422, "invalid_name")),
        ({"token": "t", "service": "orders", "signals": {"Paid": 1}}, (400, "malformed_body")),
    ],
)
def test_bad_registrations_are_refused(http: Client, db: None, body: Any, expected: tuple[int, str]) -> None:
    assert refused(post(http, **body)) == expected
    assert not Service.objects.exists()


def test_rotation_leaves_two_keys_valid_and_then_one(orders: Signer, http: Client, clock: Any) -> None:
    now = clock().timestamp()
    answer = orders.send("POST", URL, {"service": "orders"}, at=now).json()
    new = Signer(client=http, service="orders", key_id=answer["key_id"], key=answer["key"])
    assert [each.push(paid("u1"), at=now).status_code for each in (orders, new)] == [202, 202]
    later = clock.advance(days=1, seconds=1).timestamp()
    assert refused(orders.push(paid("u2"), at=later)) == (401, "signature_mismatch")
    assert new.push(paid("u2"), at=later).status_code == 202


def test_a_rotation_whose_answer_was_lost_is_asked_again(orders: Signer, http: Client) -> None:
    orders.send("POST", URL, {"service": "orders"})
    answer = orders.send("POST", URL, {"service": "orders", "token": None}).json()
    new = Signer(client=http, service="orders", key_id=answer["key_id"], key=answer["key"])
    assert [each.push(paid("u1")).status_code for each in (orders, new)] == [202, 202]


def test_a_service_cannot_rotate_or_declare_for_another(orders: Signer) -> None:
    assert refused(orders.send("POST", URL, {"service": "shop"})) == (403, "forbidden")
    answer = orders.send("PUT", "/api/v1/services/shop/signals", {"signals": {}})
    assert refused(answer) == (403, "forbidden")


def test_a_badly_signed_registration_is_refused_before_its_body_is_read(orders: Signer) -> None:
    answer = orders.send("POST", URL, b"not JSON", **{"X-Workflow-Key": "key_0"})
    assert refused(answer) == (401, "signature_mismatch")


def test_a_disabled_service_is_refused(orders: Signer) -> None:
    Service.objects.update(status="disabled")
    assert refused(orders.push(paid("u1"))) == (401, "signature_mismatch")


def test_signals_are_declared_later_and_again(orders: Signer) -> None:
    url = "/api/v1/services/orders/signals"
    wanted = {"signals": {"Shipped": {"schema": LOOSE, "deliver": "one"}}}
    before = engine_clock.now()
    for _ in range(2):
        answer = orders.send("PUT", url, wanted)
        assert answer.json() == {"declared": ["Shipped"], "rejected": []}
    assert SignalType.objects.get(name="Shipped").declared_at >= before
    stricter = {"signals": {"Shipped": {"schema": PAID}}}
    assert orders.send("PUT", url, stricter).json()["declared"] == ["Shipped"]
    assert SignalType.objects.get(name="Shipped").schema == PAID


@pytest.mark.parametrize(
    ("name", "declaration", "code"),
    [
        ("", {"schema": LOOSE}, "invalid_name"),
        ("x" * 201, {"schema": LOOSE}, "invalid_name"),
        ("Bad\nName", {"schema": LOOSE}, "invalid_name"),
        ("Bad", {"schema": {"type": "nonsense"}}, "invalid_schema"),
        ("Bad", {"schema": {"$ref": "http://127.0.0.1:1/schema"}}, "invalid_schema"),
        ("Bad", {"schema": {"pattern": "("}}, "invalid_schema"),
        ("Bad", {"schema": {"const": "x" * 70_000}}, "invalid_schema"),
    ],
)
def test_bad_declarations_are_refused_and_the_rest_is_declared(
    orders: Signer, name: str, declaration: Any, code: str
) -> None:
    wanted = {"signals": {name: declaration, "Good": {"schema": LOOSE}}}
    answer = orders.send("PUT", "/api/v1/services/orders/signals", wanted).json()
    assert answer["declared"] == ["Good"]
    assert [(each["name"], each["code"]) for each in answer["rejected"]] == [(name, code)]
    assert not SignalType.objects.filter(name=name).exists()


def test_another_services_schema_stays(orders: Signer, tenant: Tenant) -> None:
    credentials = register(
        enrol(tenant, "shop"),
        "shop",
        [Declaration(name="Paid", schema=LOOSE), Declaration(name="Shipped", schema=LOOSE)],
    )
    assert [(each.name, each.code) for each in credentials.refused] == [("Paid", "schema_conflict")]
    assert SignalType.objects.get(name="Paid").schema == PAID


def test_a_workflow_file_outranks_services(orders: Signer, tenant: Tenant) -> None:
    assert declare_signals(tenant, [Declaration(name="Paid", schema=LOOSE)]) == []
    assert SignalType.objects.get(name="Paid").schema == LOOSE
    again = orders.send("PUT", "/api/v1/services/orders/signals", {"signals": {"Paid": {"schema": PAID}}})
    assert again.json()["rejected"][0]["code"] == "schema_conflict"


def test_a_sealed_secret_opens_with_the_ring_and_for_its_key_alone(settings: Any) -> None:
    sealed = seal(b"secret", bound_to="key_1")
    assert b"secret" not in sealed
    settings.ENCRYPTION_KEYS = (b"n" * 32, *settings.ENCRYPTION_KEYS)
    assert unseal(sealed, bound_to="key_1") == b"secret"
    with pytest.raises(SecretUnreadable, match="key_2"):
        unseal(sealed, bound_to="key_2")
    settings.ENCRYPTION_KEYS = (b"n" * 32,)
    with pytest.raises(SecretUnreadable, match="made anew"):
        unseal(sealed, bound_to="key_1")


def test_a_key_costs_one_query(orders: Signer, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        key = find_key(orders.key_id)
        assert key is not None
        assert key.service.tenant.slug == "default"


def test_unknown_methods_and_addresses_are_problems(http: Client, db: None) -> None:
    answer = http.get(URL)
    assert refused(answer) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]
    assert refused(http.get("/api/v1/nowhere")) == (404, "not_found")
    assert json.loads(http.get("/api/v1/services/a%00b/signals").content)["code"] == "not_found"


def test_expired_keys_do_not_retire_later(orders: Signer, clock: Any) -> None:
    """A second rotation must not give the first old key a new lease of life."""
    orders.send("POST", URL, {"service": "orders"}, at=clock().timestamp())
    first = ServiceKey.objects.get(key_id=orders.key_id).retires_at
    clock.advance(hours=20)
    orders.send("POST", URL, {"service": "orders"}, at=clock().timestamp())
    assert ServiceKey.objects.get(key_id=orders.key_id).retires_at == first
    assert first - clock() == timedelta(hours=4)
