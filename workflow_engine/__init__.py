from __future__ import annotations

from workflow_engine.celery import app as celery_app

__all__ = ["celery_app"]
