"""Is the process there, and can it work. Neither address says more than that: both are open to everybody."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpResponse
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from apps.lib.clock import now
from apps.lib.problems import Unavailable
from apps.signals.models import Cursor, Signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

log = structlog.get_logger(__name__)

BROKER_SECONDS = 2


class NotReady(Unavailable):
    code, title = "not_ready", "The engine cannot work at the moment."


@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    return _json({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> HttpResponse:
    """200 with the checks, or 503 `not_ready` with the same."""
    checks = {name: _checked(name, check) for name, check in CHECKS.items()}
    failing = sorted(name for name, result in checks.items() if result != "ok")
    if failing:
        raise NotReady(f"Not well: {', '.join(failing)}.", checks=checks)
    return _json({"status": "ok", "checks": checks, "lag_seconds": _lag()})


def _database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _migrations() -> None:
    if not _is_migrated():
        _is_migrated.cache_clear()
        raise DatabaseError("migrations are pending: run manage.py migrate")


@cache
def _is_migrated() -> bool:
    # Kept once true: a running process never becomes unmigrated by itself, and the look costs a query a table.
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _broker() -> None:
    with current_app.connection_for_write(connect_timeout=BROKER_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, interval_start=0, timeout=BROKER_SECONDS)


CHECKS: dict[str, Callable[[], None]] = {
    "database": _database,
    "migrations": _migrations,
    "broker": _broker,
}


def _checked(name: str, check: Callable[[], None]) -> str:
    try:
        check()
    except (DatabaseError, OperationalError, OSError) as error:
        log.warning("readiness.failed", check=name, error=str(error))
        return "failing"
    return "ok"


def _lag() -> float:
    """Age in seconds of the oldest signal that is not matched yet. Told, not judged: pushing works all the same."""
    oldest = Signal.objects.filter(pk__gt=Cursor.objects.log().position).order_by("pk").first()
    return 0.0 if oldest is None else max(0.0, (now() - oldest.received_at).total_seconds())


def _json(content: Any) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(content), content_type="application/json")
