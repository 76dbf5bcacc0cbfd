"""The store for any database that Django knows; on one without row locks the transaction excludes all other writers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Q

from apps.execution.holding import hold
from apps.execution.rows import (
    Candidate,
    Changes,
    DeliveryRow,
    InstanceRow,
    InstructionRow,
    Loaded,
    NewInstance,
    Probe,
    SignalRow,
    WaitRow,
)
from apps.execution.store.base import LostRace, Pair, Store
from apps.instances.models import History, Instance, Instruction
from apps.instances.statuses import Status
from apps.lib import bulk
from apps.lib.clock import now
from apps.lib.ids import uuid7
from apps.signals.models import Delivery, Signal
from apps.signals.statuses import Given
from apps.waits.models import LookBack, Wait

INSTANCE_KEYS = ("id", "revision")
#: What a turn may change. `revision` appears twice: as what it was, and as what it becomes.
INSTANCE_CHANGES = (
    "status", "snapshot", "result", "error", "cancelling", "attempts", "crashes", "alone", "retry_at", "live_key",
    "updated_at", "ended_at",
)  # fmt: skip
INSTANCE_COLUMNS = (
    "id", "public_id", "tenant_id", "workflow_id", "version_id", "key", "live_key", "status", "revision", "snapshot",
    "result", "error", "cancelling", "attempts", "crashes", "alone", "retry_at", "started_at", "started_signal",
    "updated_at", "ended_at",
)  # fmt: skip
HISTORY_COLUMNS = ("instance_id", "seq", "kind", "at", "detail", "state", "snapshot")
WAIT_COLUMNS = (
    "instance_id", "number", "kind", "template_id", "key_hash", "signal", "criteria", "where", "name", "due_at", "held",
    "since_at", "since_signal", "function", "line", "created_at",
)  # fmt: skip
DELIVERY_COLUMNS = ("signal_id", "instance_id", "state", "seq", "created_at")

ONCE = "ON CONFLICT DO NOTHING"
#: Only what was declined: a signal that the instance consumed is never seen by it again.
ONCE_MORE = "ON CONFLICT (signal_id, instance_id) DO UPDATE SET state = 'ready' WHERE wf_delivery.state = 'declined'"

Row = TypeVar("Row", DeliveryRow, WaitRow, InstructionRow)


class PortableStore(Store):
    def log_after(self, position: int, limit: int) -> list[SignalRow]:
        rows = Signal.objects.filter(pk__gt=position).order_by("pk")
        names = ("pk", "tenant_id", "name", "payload", "received_at")
        return [SignalRow._make(row) for row in rows.values_list(*names)[:limit]]

    def candidates(self, probes: Sequence[Probe], after: int, limit: int) -> list[Candidate]:
        by_key: dict[tuple[int, int], list[int]] = defaultdict(list)
        for probe in probes:
            by_key[probe.template_id, probe.key_hash].append(probe.place)
        wanted = Q(
            template_id__in={each[0] for each in by_key}, key_hash__in={each[1] for each in by_key}, pk__gt=after
        )
        names = ("pk", "instance_id", "template_id", "key_hash", "criteria", "since_at", "since_signal")
        # Templates and hashes are crossed here and sorted out below: equal hashes of two shapes are rare.
        rows = Wait.objects.filter(wanted).order_by("pk").values_list(*names)[:limit]
        found = [
            Candidate(index, pk, instance, template, criteria, since_at, since_signal)
            for pk, instance, template, hashed, criteria, since_at, since_signal in rows
            for index in by_key.get((template, hashed), ())
        ]
        return sorted(found, key=lambda each: (each.place, each.wait_id))[:limit]

    def create(self, wanted: Sequence[NewInstance]) -> list[int | None]:
        ids = bulk.allocate(Instance, len(wanted))
        moment = now()
        rows = [new_instance(pk, each, moment) for pk, each in zip(ids, wanted, strict=True)]
        bulk.insert(Instance, INSTANCE_COLUMNS, rows, ONCE)
        made = set(Instance.objects.filter(pk__in=ids).values_list("pk", flat=True))
        self.deliver([(each.signal_id, pk) for pk, each in zip(ids, wanted, strict=True) if pk in made])
        return [pk if pk in made else None for pk in ids]

    def deliver(self, pairs: Sequence[Pair]) -> None:
        bulk.insert(Delivery, DELIVERY_COLUMNS, new_deliveries(pairs), ONCE)

    def deliver_again(self, pairs: Sequence[Pair]) -> None:
        bulk.insert(Delivery, DELIVERY_COLUMNS, new_deliveries(pairs), ONCE_MORE)

    def runnable(self, moment: datetime, after: int, limit: int) -> list[int]:
        ids = self._with_work(moment, after, limit)
        rows = Instance.objects.filter(pk__in=ids, alone=False).order_by("pk")
        return list(rows.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:limit])

    def runnable_alone(self, moment: datetime) -> int | None:
        rows = Instance.objects.filter(alone=True).order_by("pk").select_for_update(skip_locked=True, no_key=True)
        for pk in rows.values_list("pk", flat=True):
            if self._with_work(moment, pk - 1, 1) == [pk]:
                return pk
        return None

    def _with_work(self, moment: datetime, after: int, limit: int) -> list[int]:
        later = Q(instance_id__gt=after)
        given = Delivery.objects.filter(later, state=Given.READY).order_by("instance_id")
        told = Instruction.objects.filter(later, held=False).order_by("instance_id")
        due = Wait.objects.due(moment).filter(later).order_by("due_at")
        found = {
            pk for rows in (given, told, due) for pk in rows.values_list("instance_id", flat=True).distinct()[:limit]
        }
        return sorted(found)[:limit]

    def load(self, ids: Sequence[int], limit: int) -> Loaded:
        rows = Instance.objects.filter(pk__in=ids).order_by("pk")
        locked = rows.select_for_update(skip_locked=True, no_key=True).values_list(*InstanceRow._fields)
        found = [InstanceRow._make(row) for row in locked]
        # Asked after the locks are had and before the deliveries are read: what is not owed any more is among these.
        owing = LookBack.objects.instances()
        instances = [each for each in found if each.id not in owing]
        mine = [each.id for each in instances]
        told = Instruction.objects.filter(instance_id__in=mine, held=False).order_by("pk")
        return Loaded(
            instances=instances,
            deliveries=grouped(self._deliveries(mine, limit)),
            waits=grouped(self._waits(mine)),
            instructions=grouped(InstructionRow._make(row) for row in told.values_list(*InstructionRow._fields)),
        )

    def _deliveries(self, ids: Sequence[int], limit: int) -> Iterable[DeliveryRow]:
        ready = Delivery.objects.filter(instance_id__in=ids, state=Given.READY).order_by("instance_id", "signal_id")
        given = list(ready.values_list("pk", "signal_id", "instance_id")[:limit])
        rows = Signal.objects.filter(pk__in={each[1] for each in given})
        signals = {row[0]: row[1:] for row in rows.values_list("pk", "name", "payload", "received_at")}
        return [DeliveryRow(*each, *signals[each[1]]) for each in given]

    def _waits(self, ids: Sequence[int]) -> Iterable[WaitRow]:
        rows = Wait.objects.filter(instance_id__in=ids).order_by("instance_id", "number")
        return [WaitRow._make(row) for row in rows.values_list(*WaitRow._fields)]

    def save(self, changes: Changes, moment: datetime) -> None:
        self._save_instances(changes.instances)
        bulk.insert(History, HISTORY_COLUMNS, changes.history)
        if changes.closed:
            Wait.objects.filter(pk__in=changes.closed).delete()
        bulk.insert(Wait, WAIT_COLUMNS, changes.opened)
        bulk.update(Delivery, ("id",), ("state", "seq"), changes.consumed)
        if changes.done:
            Instruction.objects.filter(pk__in=changes.done).delete()
        if changes.held:
            hold(changes.held, moment)
        if changes.owed:
            LookBack.objects.create(owed=changes.owed, created_at=moment)

    def _save_instances(self, rows: list[tuple[Any, ...]]) -> None:
        names = ("revision", *INSTANCE_CHANGES)
        if bulk.update(Instance, INSTANCE_KEYS, names, rows) != len(rows):
            raise LostRace("an instance was changed while this batch had it locked")


def grouped(rows: Iterable[Row]) -> dict[int, list[Row]]:
    found: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row.instance_id].append(row)
    return found


def new_instance(pk: int, wanted: NewInstance, moment: datetime) -> tuple[Any, ...]:
    return (
        pk, uuid7(), wanted.tenant_id, wanted.workflow_id, wanted.version_id, wanted.key or "", wanted.key,
        Status.RUNNING.value, 0, "", None, "", False, 0, 0, False, None, wanted.received_at, wanted.signal_id, moment,
        None,
    )  # fmt: skip


def new_deliveries(pairs: Sequence[Pair]) -> list[tuple[Any, ...]]:
    moment = now()
    # In one order, so that two who give the same wait for each other at most one way.
    return [(signal, instance, Given.READY.value, None, moment) for signal, instance in sorted(pairs)]
