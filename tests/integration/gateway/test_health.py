from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from apps.gateway.views import health
from apps.lib.clock import now
from apps.signals.models import Signal
from tests.integration.gateway.callers import Signer, paid, problem, refused


@pytest.fixture(autouse=True)
def forgetful() -> Any:
    """The look at the migrations is kept by the process; each test looks anew."""
    health._is_migrated.cache_clear()
    yield
    health._is_migrated.cache_clear()


def test_alive_asks_nobody(http: Client) -> None:
    # Without the fixture `db` a query would be an error.
    assert http.get("/healthz").json() == {"status": "ok"}


def test_ready_with_database_and_broker(http: Client, db: None, broker: str) -> None:
    answer = http.get("/readyz")
    assert answer.status_code == 200, answer.content
    checks = {"database": "ok", "migrations": "ok", "broker": "ok"}
    assert answer.json() == {"status": "ok", "checks": checks, "lag_seconds": 0.0}


def test_ready_tells_how_old_the_oldest_unmatched_signal_is(http: Client, orders: Signer, broker: str) -> None:
    orders.push(paid("u1"))
    Signal.objects.update(received_at=now() - timedelta(seconds=90))
    assert 90 <= http.get("/readyz").json()["lag_seconds"] < 120


def test_not_ready_without_a_broker(http: Client, db: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from celery import current_app

    secret = "hunter2"
    monkeypatch.setattr(current_app.conf, "broker_url", f"redis://:{secret}@127.0.0.1:1/0")
    monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis://:{secret}@127.0.0.1:1/0")
    answer = http.get("/readyz")
    assert refused(answer) == (503, "not_ready")
    assert problem(answer)["checks"] == {"database": "ok", "migrations": "ok", "broker": "failing"}
    assert answer.headers["Retry-After"]
    assert secret not in answer.content.decode()


def test_not_ready_with_a_migration_pending(http: Client, db: None, broker: str) -> None:
    MigrationRecorder(connection).record_unapplied("wf_catalog", "0001_initial")
    assert problem(http.get("/readyz"))["checks"]["migrations"] == "failing"


def test_only_reads_are_answered(http: Client) -> None:
    answer = http.post("/healthz")
    assert refused(answer) == (405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"
