from __future__ import annotations

from celery import shared_task

from apps.retention import services


@shared_task(name="maintenance.prune")
def prune() -> None:
    """Forget what is old enough."""
    services.prune()
