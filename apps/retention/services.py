"""Forgets what is old enough.

`prune` deletes in batches, each a short transaction, for a bounded time; the next tick goes on. Of what it deletes:

- signals and what was given of them, after `signal_days`; never one that is unmatched or not yet applied, so a paused
  instance keeps what is held for it. A wait cannot look back further than this;
- the uids of signals, after `key_days`, which is longer than any client retries, and never before their signals;
- ended instances with their history, after `instance_days`;
- sessions of people, when they have expired.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog
from django.contrib.sessions.models import Session
from django.db import transaction

from apps.execution.log import last_before
from apps.instances.models import History, Instance, Instruction
from apps.lib import locks
from apps.lib.clock import now
from apps.lib.conf import conf
from apps.signals.models import Cursor, Delivery, Signal, SignalKey
from apps.signals.statuses import Given

log = structlog.get_logger(__name__)

BATCH = 1000
SECONDS = 20.0


def prune(seconds: float = SECONDS) -> dict[str, int]:
    """Delete for at most this long; how many rows of each kind."""
    until = time.monotonic() + seconds
    done = {
        "signals": repeat(prune_signals, until),
        "keys": repeat(prune_keys, until),
        "instances": repeat(prune_instances, until),
        "sessions": repeat(prune_sessions, until),
    }
    if any(done.values()):
        log.info("retention.pruned", **done)
    return done


def repeat(batch: Callable[[], int], until: float) -> int:
    total = 0
    while time.monotonic() < until:
        deleted = alone(batch)
        total += deleted
        if deleted < BATCH:
            break
    return total


@transaction.atomic
def alone(batch: Callable[[], int]) -> int:
    """One batch, unless another process deletes at the moment."""
    return batch() if locks.try_advisory("retention.prune") else 0


def prune_signals() -> int:
    matched = Cursor.objects.log().position
    upto = min(last_before(now() - timedelta(days=conf.signal_days)), matched)
    kept = Delivery.objects.filter(state__in=[Given.READY, Given.HELD], signal_id__lte=upto).values("signal_id")
    old = Signal.objects.filter(pk__lte=upto).exclude(pk__in=kept).order_by("pk")
    ids = list(old.values_list("pk", flat=True)[:BATCH])
    Delivery.objects.filter(signal_id__in=ids).delete()
    Signal.objects.filter(pk__in=ids).delete()
    return len(ids)


def prune_keys() -> int:
    before = now() - timedelta(days=max(conf.key_days, conf.signal_days))
    # By key and not by time: the oldest have the smallest, and there is no index on the time.
    first = SignalKey.objects.order_by("pk").values_list("pk", "received_at")[:BATCH]
    ids = [pk for pk, received_at in first if received_at < before]
    SignalKey.objects.filter(pk__in=ids).delete()
    return len(ids)


def prune_sessions() -> int:
    expired = Session.objects.filter(expire_date__lt=now()).order_by("expire_date")
    ids = list(expired.values_list("pk", flat=True)[:BATCH])
    Session.objects.filter(pk__in=ids).delete()
    return len(ids)


def prune_instances() -> int:
    old = Instance.objects.filter(ended_at__lt=now() - timedelta(days=conf.instance_days)).order_by("ended_at")
    ids = list(old.values_list("pk", flat=True)[:BATCH])
    for model in (History, Delivery, Instruction):
        model.objects.filter(instance_id__in=ids).delete()
    Instance.objects.filter(pk__in=ids).delete()
    return len(ids)
