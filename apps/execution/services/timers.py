"""Fires what is due: timers and time limits, and the next tries of failed steps.

Time lives in the database. A due wait is found by `resume` like anything else that has come for an instance, so a
tick only has to say that there may be something; a tick that is late, doubled or missing changes when, not what.
"""

from __future__ import annotations

from django.db import transaction

from apps.execution.holding import release
from apps.execution.services import resume
from apps.instances.models import Instance
from apps.instances.statuses import Status
from apps.lib.clock import now
from apps.lib.conf import conf
from apps.lib.doorbell import ring
from apps.waits.models import Wait


def fire() -> int:
    """Let due retries go on and step what is due; how many history entries came of it."""
    retry_due()
    if not Wait.objects.due(now()).exists():
        return 0
    return resume.resume(conf.timer_batch).turns


def retry_due() -> int:
    """Bring the instances whose next try is due back among those that take turns; how many."""
    with transaction.atomic():
        ids = Instance.objects.all().due_for_retry(now(), conf.timer_batch)
        if ids:
            Instance.objects.all().wake(ids, [Status.RETRYING])
            release(ids)
            ring("instances.resume")
    return len(ids)
