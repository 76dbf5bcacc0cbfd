"""Claims: how the death of a worker is told from slowness, and its victims from its cause.

1. `take` writes a row that names what a worker is about to step, and commits it.
2. `holding` locks that row for as long as the stepping transaction lives; at its end the row goes. The lock vanishes
   with the worker's connection, so no clock and no heartbeat decides who is dead.
3. `recover` finds rows that nobody holds. Of a batch nobody knows which instance did it, so all are marked to be
   claimed one at a time; an instance that was alone counts a crash, and after `crash_tries` it is quarantined. A claim
   without instances is the matcher's.

A failure that the worker survives is no crash: the claim is given back at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import Error, transaction
from django.db.models import F

from apps.execution.holding import hold
from apps.execution.recording import record
from apps.instances.models import Claim, Instance
from apps.instances.statuses import LIVE, Status
from apps.lib.clock import now
from apps.lib.conf import conf
from apps.lib.doorbell import ring
from apps.lib.durability import may_be_redone
from apps.signals.models import Cursor
from apps.signals.querysets import LOG

log = structlog.get_logger(__name__)

BATCH = 100


class ClaimLost(Exception):
    """The claim was taken for a dead worker's before its step began. Whoever has it now steps its instances."""


def take(ids: Sequence[int]) -> UUID:
    """Say what is about to be stepped; the caller's transaction commits before it begins."""
    may_be_redone()
    return Claim.objects.create(instance_ids=list(ids), started_at=now()).token


@contextmanager
def holding(token: UUID) -> Iterator[None]:
    """A transaction in which the claim is locked, and at whose end it is gone. Raises ClaimLost."""
    try:
        with transaction.atomic():
            if not Claim.objects.select_for_update().filter(pk=token).exists():
                raise ClaimLost(str(token))
            yield
            Claim.objects.filter(pk=token).delete()
    except Exception:
        give_back(token)
        raise


def give_back(token: UUID) -> None:
    """Drop the claim of a step that failed in a worker that lives."""
    try:
        Claim.objects.filter(pk=token).delete()
    except Error as error:
        log.warning("claim.kept", token=str(token), error=str(error))


def recover() -> int:
    """Deal with the claims of dead workers; how many there were."""
    with transaction.atomic():
        dead = Claim.objects.all().dead(now() - timedelta(seconds=conf.claim_grace_seconds), BATCH)
        for claim in dead:
            bury(claim)
        Claim.objects.filter(pk__in=[each.pk for each in dead]).delete()
        if dead:
            ring("instances.resume")
    return len(dead)


def bury(claim: Claim) -> None:
    log.warning("claim.dead", token=str(claim.pk), instances=claim.instance_ids)
    if not claim.instance_ids:
        Cursor.objects.filter(name=LOG).update(attempts=F("attempts") + 1)
    elif len(claim.instance_ids) == 1:
        crashed(claim.instance_ids[0])
    else:
        Instance.objects.filter(pk__in=claim.instance_ids, status__in=LIVE).update(alone=True)


def crashed(pk: int) -> None:
    """Count the death of a worker that stepped this instance and no other."""
    instance = Instance.objects.locked(pk)
    if instance.status not in LIVE:
        return
    crashes = instance.crashes + 1
    if crashes < conf.crash_tries:
        Instance.objects.filter(pk=pk).update(crashes=crashes, alone=True)
        return
    error = f"The worker died {crashes} times in this step: killed, out of memory, or over its time limit."
    detail = {"fault": "crash", "crashes": crashes, "error": error}
    record(instance, "quarantined", detail, status=Status.QUARANTINED, crashes=crashes, alone=False, error=error)
    hold([pk], now())
    log.error("instance.quarantined", instance_id=str(instance.public_id), fault="crash")
