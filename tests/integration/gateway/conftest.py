"""Fixtures. What needs Django is imported inside: this file may be read before Django is set up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django.test import Client

    from apps.accounts.models import Tenant
    from tests.integration.gateway.callers import Person, Signer


@pytest.fixture
def http() -> Client:
    """A client to whom a failure of the engine is an answer, as it is outside."""
    from django.test import Client

    return Client(raise_request_exception=False)


@pytest.fixture
def tenant(db: None) -> Tenant:
    from apps.accounts.services import default_tenant

    return default_tenant()


@pytest.fixture
def orders(http: Client, tenant: Tenant) -> Signer:
    """A registered service that has declared the signal Paid."""
    from apps.catalog.services import Declaration, enrol, register
    from tests.integration.gateway.callers import PAID, Signer

    credentials = register(enrol(tenant, "orders"), "orders", [Declaration(name="Paid", schema=PAID)])
    return Signer(client=http, service="orders", key_id=credentials.key_id, key=credentials.key)


@pytest.fixture
def order(tmp_path: Path, db: None, doorbells: list[str]) -> None:
    """The workflow Order, deployed."""
    from apps.definitions.services import scan
    from tests.integration.gateway.shop import SOURCE

    (tmp_path / "orders.py").write_text(SOURCE)
    assert not scan([tmp_path]).errors


@pytest.fixture
def signed_in(http: Client, db: None) -> Callable[..., Person]:
    from django.core.cache import cache

    from tests.integration.gateway.callers import sign_in

    # Sign-ins are limited by address; the tests share one.
    cache.clear()
    return lambda name, *roles: sign_in(http, name, *roles)


@pytest.fixture
def viewer(signed_in: Callable[..., Person]) -> Person:
    return signed_in("vera", "viewer")


@pytest.fixture
def operator(signed_in: Callable[..., Person]) -> Person:
    return signed_in("otto", "operator")
