"""Keeps the rows by which django-celery-beat starts instances in step with the versions that are current."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from celery.schedules import ParseException
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from apps.lib.clock import now
from apps.lib.jsontext import encode

if TYPE_CHECKING:
    from apps.definitions.models import Workflow

TASK = "schedules.start"
CRON_FIELDS = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")


def set_schedule(workflow: Workflow, schedule: str | timedelta | None) -> None:
    """Start instances of the workflow at these times (UTC) from now on; None: no more. Raises ValueError."""
    name = row_name(workflow)
    if schedule is None:
        PeriodicTask.objects.filter(name=name).delete()
        return
    times = interval(schedule) if isinstance(schedule, timedelta) else crontab(schedule)
    row = PeriodicTask.objects.filter(name=name).first()
    if row is None:
        row = PeriodicTask(name=name, task=TASK, queue="maintenance")
    elif row.enabled and all(getattr(row, field) == value for field, value in times.items()):
        return
    # The first interval ends one interval after the deployment, so beat must take the deployment for a run.
    row.last_run_at = now()
    row.kwargs = encode({"workflow": workflow.pk})
    row.enabled = True
    row.interval = row.crontab = None
    for field, value in times.items():
        setattr(row, field, value)
    # PeriodicTask.save() is what tells beat that its schedule changed.
    row.save()


def row_name(workflow: Workflow) -> str:
    return f"workflow {workflow.pk} {workflow.name}"[:200]


def interval(length: timedelta) -> dict[str, Any]:
    microseconds = length // timedelta(microseconds=1)
    if microseconds % 1_000_000:
        times = {"every": microseconds, "period": IntervalSchedule.MICROSECONDS}
    else:
        times = {"every": microseconds // 1_000_000, "period": IntervalSchedule.SECONDS}
    return {"interval": IntervalSchedule.objects.get_or_create(**times)[0]}


def crontab(text: str) -> dict[str, Any]:
    parts = text.split()
    if len(parts) != len(CRON_FIELDS):
        raise ValueError(
            f"the schedule {text!r} has {len(parts)} fields, a crontab has 5: minute hour day month weekday"
        )
    times = dict(zip(CRON_FIELDS, parts, strict=True))
    row = CrontabSchedule(**times, timezone="UTC")
    try:
        _ = row.schedule
    except (ValueError, ParseException) as error:
        raise ValueError(f"the schedule {text!r} is no crontab: {error}") from error
    return {"crontab": CrontabSchedule.objects.get_or_create(**times, timezone="UTC")[0]}
