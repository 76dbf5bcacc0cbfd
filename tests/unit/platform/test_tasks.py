"""Every task that is rung for or scheduled exists, and goes to one queue that the workers of the Procfile read."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from apps.lib.doorbell import DOORBELLS
from workflow_engine.celery import app
from workflow_engine.processes import commands

SCHEDULED = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}
OURS = re.compile(r"(signals|instances|timers|maintenance|schedules|definitions)\.")


def registered() -> set[str]:
    app.loader.import_default_modules()
    return {name for name in app.tasks if OURS.match(name)}


def queue_of(task: str) -> str:
    return str(app.amqp.router.route({}, task)["queue"].name)


@pytest.mark.parametrize("task", sorted(SCHEDULED | set(DOORBELLS) | {"schedules.start"}))
def test_a_task_that_is_called_by_name_exists(task: str) -> None:
    assert task in registered()


def test_a_doorbell_waits_where_its_task_is_routed() -> None:
    assert {task: queue_of(task) for task in DOORBELLS} == DOORBELLS


def test_each_queue_has_an_exchange_and_a_key_of_its_own() -> None:
    queues = settings.CELERY_TASK_QUEUES

    assert len({(queue.exchange.name, queue.routing_key) for queue in queues}) == len(queues) == 4


def test_the_workers_read_every_queue() -> None:
    read = re.search(r"--queues (\S+)", commands()["worker"])

    assert read is not None
    assert set(read[1].split(",")) == {queue.name for queue in settings.CELERY_TASK_QUEUES}


def test_a_task_ends_before_its_message_is_given_to_another_worker() -> None:
    timeouts = {
        settings.CELERY_BROKER_TRANSPORT_OPTIONS["visibility_timeout"],
        settings.CELERY_VISIBILITY_TIMEOUT,
        settings.CELERY_RESULT_BACKEND_TRANSPORT_OPTIONS["visibility_timeout"],
    }

    assert len(timeouts) == 1
    assert settings.CELERY_TASK_SOFT_TIME_LIMIT < settings.CELERY_TASK_TIME_LIMIT < timeouts.pop()
