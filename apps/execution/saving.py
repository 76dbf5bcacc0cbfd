"""Turns what a batch of steps came to into rows."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from apps.execution.keys import storable
from apps.execution.rows import Changes
from apps.execution.snapshots import state_of
from apps.execution.templates import Shape, template_ids
from apps.execution.turns import Instance, Opened
from apps.instances.statuses import ENDED, Status
from apps.lib.jsontext import encode
from apps.signals.statuses import Given
from resumable.faults import next_try

#: What a row keeps of a traceback: its end, where the error is.
LONGEST_ERROR = 20_000


def jitter() -> float:
    """From 0 to 1, so that steps that failed together are not tried again together."""
    return random.random()  # noqa: S311 - spreads retries, hides nothing


def collect(stepped: Sequence[Instance], moment: datetime) -> Changes:
    """All rows of a batch."""
    changes = Changes()
    templates = template_ids([shape(each, opened) for each in stepped for opened in signal_waits(each)])
    for each in stepped:
        if each.fault is not None:
            fail(each, changes, moment)
        elif each.changed or each.row.alone or each.row.crashes:
            changes.instances.append(row(each, moment))
        changes.history += [entry(each, line, moment) for line in each.entries]
        changes.closed += each.closed
        changes.opened += [wait_row(each, opened, templates, moment) for opened in each.opened.values()]
        changes.consumed += [(pk, Given.CONSUMED.value, seq) for pk, seq in each.consumed]
        changes.consumed += [(given.id, Given.DECLINED.value, None) for given in each.declined]
        changes.done += each.done
        owe(each, changes.owed)
    return changes


def signal_waits(instance: Instance) -> list[Opened]:
    return [each for each in instance.opened.values() if each.wait.kind == "signal"]


def shape(instance: Instance, opened: Opened) -> Shape:
    fields = tuple((path, kind) for path, kind in opened.criteria.key_fields)
    return Shape(instance.row.tenant_id, instance.row.workflow_id, opened.wait.signal or "", fields)


def row(instance: Instance, moment: datetime, **changes: Any) -> tuple[Any, ...]:
    """The row of `portable.INSTANCE_CHANGES`, after the id, the revision that was read and the new one."""
    ended = instance.status in ENDED
    values = {
        "status": instance.status,
        "snapshot": instance.snapshot,
        "result": None if instance.result is None else encode(instance.result),
        "error": storable(instance.error),
        "cancelling": instance.cancelling,
        "attempts": 0,
        "crashes": 0,
        "alone": False,
        "retry_at": None,
        "live_key": None if ended else (instance.row.key or None),
        "updated_at": moment,
        "ended_at": moment if ended else None,
    } | changes
    return (instance.row.id, instance.row.revision, instance.revision, *values.values())


def fail(instance: Instance, changes: Changes, moment: datetime) -> None:
    """The failed step is tried again after a while, or its instance is quarantined (rule 9)."""
    assert instance.fault is not None
    attempts = 1 if instance.entries else instance.row.attempts + 1
    delay = next_try(instance.fault.fault, attempts, jitter())
    status = Status.QUARANTINED if delay is None else Status.RETRYING
    error = storable(instance.fault.traceback[-LONGEST_ERROR:])
    instance.revision += 1
    retry_at = None if delay is None else moment + delay
    detail = {"fault": instance.fault.fault, "attempts": attempts, "error": storable(str(instance.fault))}
    line = (
        instance.row.id,
        instance.revision,
        "quarantined" if delay is None else "failed_step",
        moment,
        encode(detail),
        encode(state_of(instance.snapshot) if instance.snapshot else {}),
        instance.snapshot,
    )
    changes.history.append(line)
    changes.held.append(instance.row.id)
    changes.instances.append(
        row(instance, moment, status=status.value, error=error, attempts=attempts, retry_at=retry_at)
    )


def fault_of(instance: Instance) -> dict[str, Any]:
    """The event of a failed step, for the log."""
    return {
        "instance_id": str(instance.row.public_id),
        "fault": instance.fault.fault if instance.fault else "",
        "attempts": instance.row.attempts + 1,
        "error": str(instance.fault),
    }


def entry(instance: Instance, line: Any, moment: datetime) -> tuple[Any, ...]:
    detail, state = encode(line.detail), encode(line.state)
    return (instance.row.id, line.seq, line.kind, moment, detail, state, line.snapshot)


def wait_row(instance: Instance, opened: Opened, templates: dict[Shape, int], moment: datetime) -> tuple[Any, ...]:
    wait = opened.wait
    is_signal = wait.kind == "signal"
    return (
        instance.row.id, wait.number, wait.kind, templates[shape(instance, opened)] if is_signal else None,
        opened.criteria.key_hash() if is_signal else 0, wait.signal or "", encode(wait.criteria) if is_signal else None,
        wait.where or "", storable(wait.name or "")[:200], wait.due_at, False, opened.since.at, opened.since.signal,
        wait.function[:200], wait.line, moment,
    )  # fmt: skip


def owe(instance: Instance, owed: dict[str, list[Any]]) -> None:
    """What must be looked back for once this batch is committed."""
    new = [each.wait.number for each in signal_waits(instance)]
    if new:
        owed.setdefault("waits", []).append([instance.row.id, new])
    for given in instance.declined:
        owed.setdefault("offers", []).append([given.signal_id, instance.row.workflow_id])
    if instance.ended and instance.row.key and instance.began is not None:
        at, signal = instance.began
        owed.setdefault("keys", []).append([instance.row.workflow_id, instance.row.key, at.isoformat(), signal])
