"""The Celery application: `celery -A workflow_engine worker`."""

from __future__ import annotations

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun, worker_process_init, worker_ready
from django.db import close_old_connections
from django_structlog.celery.steps import DjangoStructLogInitStep

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_engine.settings")

app = Celery("workflow_engine")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.steps["worker"].add(DjangoStructLogInitStep)


@setup_logging.connect
def keep_our_logs(**_: Any) -> None:
    """Having a receiver is what keeps Celery from putting its own handlers in place of ours."""


@worker_process_init.connect
def keep_what_is_imported(**_: Any) -> None:
    """A batch makes so many objects that full collections are frequent, and most of each would be Django's own."""
    gc.collect()
    gc.freeze()


@worker_ready.connect
def sweep_at_once(**_: Any) -> None:
    """A worker that starts often takes the place of one that died; what that one held need not wait for the next tick."""
    app.send_task("maintenance.sweep")


@task_prerun.connect
def check_connection(task: Any = None, **_: Any) -> None:
    """A reused connection may have died since the last task, and Django looks only at the start of a web request."""
    if not task.request.is_eager:
        close_old_connections()
