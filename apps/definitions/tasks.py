from __future__ import annotations

from celery import shared_task

from apps.definitions import services


@shared_task(name="definitions.scan")
def scan() -> None:
    """Deploy workflow files that changed."""
    services.scan_changed()
