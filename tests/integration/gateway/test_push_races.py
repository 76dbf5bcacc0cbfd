"""The same signals pushed by many at once, each request on a connection of its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from apps.accounts.services import default_tenant
from apps.catalog.services import Declaration, enrol, register
from apps.signals.models import Signal
from tests.integration.gateway.callers import PAID, Signer, paid

pytestmark = pytest.mark.django_db(transaction=True)

PUSHERS = 6


@pytest.fixture
def keys(transactional_db: None, doorbells: list[str]) -> Any:
    return register(enrol(default_tenant(), "orders"), "orders", [Declaration(name="Paid", schema=PAID)])


def pushed_together(keys: Any, batches: list[list[dict[str, Any]]]) -> list[Any]:
    barrier = Barrier(len(batches))

    def push(batch: list[dict[str, Any]]) -> Any:
        signer = Signer(client=Client(), service="orders", key_id=keys.key_id, key=keys.key)
        barrier.wait(10)
        try:
            return signer.push(*batch).json()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(batches)) as pool:
        return list(pool.map(push, batches))


def test_copies_of_one_request_store_one_of_each(keys: Any) -> None:
    batch = [paid(f"u{number}") for number in range(20)]
    answers = pushed_together(keys, [batch] * PUSHERS)
    assert sum(each["accepted"] for each in answers) == 20
    assert sum(each["duplicates"] for each in answers) == 20 * (PUSHERS - 1)
    assert Signal.objects.count() == 20


def test_of_two_bodies_with_one_uid_one_is_stored(keys: Any) -> None:
    batches = [[paid("u1", amount=number)] for number in range(PUSHERS)]
    answers = pushed_together(keys, batches)
    assert sorted(each["accepted"] for each in answers) == [0] * (PUSHERS - 1) + [1]
    codes = [rejected["code"] for each in answers for rejected in each["rejected"]]
    assert codes == ["uid_conflict"] * (PUSHERS - 1)
    assert Signal.objects.count() == 1
