"""Steps the instances for which something has come.

`resume`:
1. in a short transaction: pick a batch of instances with something to apply and write the claim (`claims`);
2. in one transaction: lock the claim and the instances, load, take the turns in memory (`turns`), write everything by
   the batch: what was consumed, the state, the new waits, the history, and what the new waits owe (`look_back`);
3. look back for the new waits.

Where a step fails, its instance keeps its earlier turns of the batch and is tried again later or quarantined; the
others of its batch are not concerned. An instance that is marked `alone` is stepped in a batch of one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from django.db import transaction

from apps.definitions.artifacts import Unloadable
from apps.definitions.programs import program
from apps.execution import turns
from apps.execution.log import settled_until
from apps.execution.rows import Changes, InstanceRow, Loaded
from apps.execution.saving import collect, fault_of
from apps.execution.services import claims, look_back, match
from apps.execution.store import store
from apps.instances.statuses import ACTIVE, ENDED
from apps.lib.clock import now
from apps.lib.conf import conf
from apps.lib.doorbell import ring
from resumable.kernel import StepError

log = structlog.get_logger(__name__)

#: Signals that one batch applies, as a multiple of its instances; the rest stays for the next.
DELIVERIES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What one call did. `more` says that the batch was full."""

    instances: int = 0
    turns: int = 0
    more: bool = False


class Round:
    """Where this process's last batch ended: the next begins there, so that no instance is passed over for ever."""

    def __init__(self) -> None:
        self.after = 0

    def pick(self, limit: int, due_until: datetime) -> list[int]:
        ids = store().runnable(due_until, self.after, limit)
        if not ids and self.after:
            ids = store().runnable(due_until, 0, limit)
        self.after = ids[-1] if len(ids) == limit else 0
        return ids


_round = Round()


def resume(limit: int | None = None) -> Resumed:
    """Step one batch, and one instance that must be alone if there is any."""
    size = limit or conf.resume_batch
    batch = claim(lambda due_until: _round.pick(size, due_until))
    taken = step(batch)
    alone = claim(pick_alone)
    taken += step(alone)
    more = len(batch.ids) == size or bool(alone.ids)
    if more:
        ring("instances.resume")
    look_back.settle()
    if taken and match.unmatched():
        # Matching stops while much waits to be applied, and that is over now or soon.
        ring("signals.match")
    return Resumed(instances=len(batch.ids) + len(alone.ids), turns=taken, more=more)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Instances that this worker is about to step, the claim that says so, and until when their waits are due.

    `due_until` is read before the instances' deliveries are: so these hold all that was received before it.
    """

    ids: Sequence[int]
    token: UUID | None
    due_until: datetime


def claim(pick: Callable[[datetime], Sequence[int]]) -> Claimed:
    """Picked and claimed in one transaction, so that what is locked while picking is claimed by nobody else."""
    with transaction.atomic():
        due_until = settled_until()
        ids = pick(due_until)
        return Claimed(ids, claims.take(ids) if ids else None, due_until)


def pick_alone(due_until: datetime) -> Sequence[int]:
    found = store().runnable_alone(due_until)
    return [] if found is None else [found]


def step(claimed: Claimed) -> int:
    """Step the claimed instances; how many history entries came of it."""
    if claimed.token is None:
        return 0
    with claims.holding(claimed.token):
        limit = DELIVERIES * max(len(claimed.ids), conf.resume_batch)
        loaded = store().load(claimed.ids, limit)
        moment = now()
        changes = changed(loaded, moment, claimed.due_until, loaded.cut(limit))
        store().save(changes, moment)
    return len(changes.history)


def changed(loaded: Loaded, moment: datetime, due_until: datetime, cut: int | None = None) -> Changes:
    """Take the turns of a batch in memory. Instances after `cut` are left to a later batch."""
    stepped = []
    held, idle = [], []
    for row in loaded.instances:
        if cut is not None and row.id > cut:
            break
        if row.id == cut:
            # A wait that is due later must not overtake the signals that were not loaded.
            due_until = min(due_until, loaded.deliveries[cut][-1].received_at)
        if row.status in ACTIVE:
            stepped.append(stepped_instance(row, loaded, moment, due_until))
        elif row.status in ENDED:
            idle.append(row)
        else:
            held.append(row.id)
    changes = collect(stepped, moment)
    changes.held += held
    discard(changes, idle, loaded)
    return changes


def stepped_instance(row: InstanceRow, loaded: Loaded, moment: datetime, due_until: datetime) -> turns.Instance:
    instance = turns.Instance.of(row, loaded.waits.get(row.id, []))
    work = turns.Work(loaded.deliveries.get(row.id, []), loaded.instructions.get(row.id, []), due_until)
    try:
        turns.apply(instance, program(row.version_id), work, moment)
    except Unloadable as error:
        instance.fault = StepError(error, str(error), "transient")
    if instance.fault is not None:
        log.warning("step.failed", **fault_of(instance))
    return instance


def discard(changes: Changes, ended: Sequence[InstanceRow], loaded: Loaded) -> None:
    """What comes for an instance that has ended is declined."""
    for row in ended:
        given = loaded.deliveries.get(row.id, [])
        changes.consumed += [(each.id, "declined", None) for each in given]
        changes.done += [each.id for each in loaded.instructions.get(row.id, [])]
        offers = changes.owed.setdefault("offers", [])
        offers += [[each.signal_id, row.workflow_id] for each in given]
