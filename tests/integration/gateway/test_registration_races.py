"""Registrations at the same moment, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import Tenant
from apps.accounts.services import default_tenant
from apps.catalog.models import EnrolmentToken, Service, ServiceKey, SignalType
from apps.catalog.services import (
    Credentials,
    Declaration,
    EnrolmentTokenInvalid,
    enrol,
    find_key,
    register,
    rotate,
)
from apps.lib.clock import now

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant(transactional_db: None) -> Tenant:
    return default_tenant()


def together(*calls: Callable[[], Any]) -> list[Any]:
    """What each call returns or raises; all begin at once, each in a thread with a connection."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            connection.ensure_connection()
            barrier.wait(10)
            return call()
        except EnrolmentTokenInvalid as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def test_one_token_lets_one_of_many_in(tenant: Tenant) -> None:
    token = enrol(tenant, "orders")
    answers = together(*[lambda: register(token, "orders")] * 6)
    (winner,) = [each for each in answers if isinstance(each, Credentials)]
    assert len([each for each in answers if isinstance(each, EnrolmentTokenInvalid)]) == 5
    assert ServiceKey.objects.get().key_id == winner.key_id


def test_two_services_register_at_once(tenant: Tenant) -> None:
    signals = [Declaration(name=name, schema={"type": "object"}) for name in ("Shipped", "Paid")]
    tokens = {name: enrol(tenant, name) for name in ("orders", "shop", "stock", "mail")}
    calls = [lambda n=name, t=token: register(t, n, signals) for name, token in tokens.items()]
    answers = together(*calls)
    assert {each.service for each in answers} == set(tokens)
    assert all(find_key(each.key_id) for each in answers)
    assert SignalType.objects.count() == 2


def test_one_service_registers_with_two_tokens_at_once(tenant: Tenant) -> None:
    tokens = [enrol(tenant, "orders") for _ in range(4)]
    answers = together(*[lambda t=token: register(t, "orders") for token in tokens])
    assert Service.objects.count() == 1
    assert all(find_key(each.key_id) for each in answers)
    assert ServiceKey.objects.filter(status="active").count() == 1


def test_rotations_at_once_leave_every_key_valid_and_one_active(tenant: Tenant) -> None:
    register(enrol(tenant, "orders"), "orders")
    service = Service.objects.select_related("tenant").get()
    answers = together(*[lambda: rotate(service)] * 4)
    assert all(find_key(each.key_id) for each in answers)
    assert ServiceKey.objects.filter(status="active").count() == 1


@pytest.mark.postgres
def test_a_token_seen_by_two_open_transactions_is_spent_by_one(tenant: Tenant) -> None:
    """The worst moment: the second has read the unused token before the first commits."""
    token = enrol(tenant, "orders")
    row = EnrolmentToken.objects.get()
    reached, go_on = Barrier(2), Barrier(2)

    def first() -> bool:
        with transaction.atomic():
            won = EnrolmentToken.objects.use(row.token_hash, "orders", now())
            reached.wait(10)
            go_on.wait(10)
        connections.close_all()
        return won

    def second() -> bool:
        with transaction.atomic():
            assert EnrolmentToken.objects.get().used_at is None
            reached.wait(10)
            go_on.wait(10)
            won = EnrolmentToken.objects.use(row.token_hash, "orders", now())
        connections.close_all()
        return won

    with ThreadPoolExecutor(2) as pool:
        outcomes = [pool.submit(first), pool.submit(second)]
        assert [each.result(20) for each in outcomes] == [True, False]
    with pytest.raises(EnrolmentTokenInvalid):
        register(token, "orders")
