"""What an operator can do to an instance.

Each verb is one transaction that holds the instance's lock, so it comes before or after a turn and never into one;
each is a compare-and-swap and a line of history with who and why. No verb but `patch` loads an author's code.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import IntegrityError, transaction

from apps.definitions.artifacts import Unloadable
from apps.definitions.programs import program
from apps.execution import log
from apps.execution.holding import release
from apps.execution.recording import record
from apps.execution.restoring import restored
from apps.execution.services import look_back
from apps.execution.snapshots import open_scopes, state_of
from apps.execution.store import store
from apps.instances.models import History, Instance, Instruction
from apps.instances.statuses import (
    ACTIVE,
    CANCELLABLE,
    ENDED,
    PAUSABLE,
    RESUMABLE,
    RETRYABLE,
    REWINDABLE,
    Asked,
    Status,
)
from apps.lib.clock import now
from apps.lib.doorbell import ring
from apps.lib.problems import Conflict, NotFound, Unprocessable
from apps.signals.models import Delivery
from resumable import kernel


class IllegalState(Conflict):
    code, title = "illegal_state", "The instance is in a state in which this is not possible."


class UnknownEntry(NotFound):
    code, title = "unknown_entry", "The history has no such entry to go back to."


class UnknownScope(NotFound):
    code, title = "unknown_scope", "The instance has no open scope of that name."


class BadPatch(Unprocessable):
    code, title = "bad_patch", "The values do not fit the fields."


def pause(instance_id: int, *, actor: str, reason: str = "") -> Instance:
    """Let the instance take no turns; what comes for it is kept (rule 10). Raises IllegalState."""
    with transaction.atomic():
        instance = locked(instance_id, PAUSABLE, "paused")
        record(instance, "paused", said(actor, reason), status=Status.PAUSED, retry_at=None)
    return instance


def resume(instance_id: int, *, actor: str, reason: str = "") -> Instance:
    """Let it take turns again, with what was kept, in order. Raises IllegalState."""
    with transaction.atomic():
        instance = locked(instance_id, RESUMABLE, "resumed")
        wake(instance, "resumed", said(actor, reason))
    return instance


def retry(instance_id: int, *, actor: str, reason: str = "") -> Instance:
    """Try the failed step again, now, as if it had never failed. Raises IllegalState."""
    with transaction.atomic():
        instance = locked(instance_id, RETRYABLE, "tried again")
        wake(instance, "retried", said(actor, reason), attempts=0, crashes=0, alone=False, error="")
    return instance


def cancel(instance_id: int, *, actor: str, reason: str = "", scope: str | None = None) -> Instance:
    """Have `WaitCancelled` raised at its awaits (rule 13), or at those inside one scope.

    A worker takes the turn; an instance that was paused or quarantined takes turns again for it. Raises IllegalState,
    UnknownScope.
    """
    with transaction.atomic():
        instance = locked(instance_id, CANCELLABLE, "cancelled")
        if scope is not None and not (instance.snapshot and scope in open_scopes(instance.snapshot)):
            raise UnknownScope(f"No scope {scope!r} is open in the instance {instance}.")
        if scope is None and instance.cancelling:
            return instance
        Instruction.objects.create(
            instance=instance,
            kind=Asked.CANCEL,
            scope=scope or "",
            actor=actor,
            reason=reason,
            created_at=now(),
            after_signal=log.end(),
        )
        instance.cancelling = instance.cancelling or scope is None
        Instance.objects.filter(pk=instance.pk).update(cancelling=instance.cancelling)
        if instance.status not in ACTIVE:
            Instance.objects.all().wake([instance.pk], [Status(instance.status)])
            instance.refresh_from_db(fields=["status", "retry_at"])
            release([instance.pk])
        ring("instances.resume")
    return instance


def rewind(instance_id: int, *, actor: str, to: int, reason: str = "", redeliver: bool = False) -> Instance:
    """Restore the snapshot of history entry `to` and its waits, as a new entry (rule 14).

    Signals consumed since are given again only with `redeliver`. Raises UnknownEntry, IllegalState.
    """
    with transaction.atomic():
        instance = locked(instance_id, REWINDABLE, "rewound")
        entry = History.objects.of(instance).filter(seq=to).exclude(snapshot="").first()
        if entry is None or not kernel.open_waits(entry.snapshot):
            raise UnknownEntry(f"The history of {instance} has no entry {to} at which the instance was waiting.")
        detail = said(actor, reason) | {"to": to, "redeliver": redeliver}
        go_back(instance, entry, detail)
        if redeliver:
            Delivery.objects.all().redeliver(instance.pk, to)
        instance.waits.all().delete()
        store().save(restored(instance, entry), now())
        ring("instances.resume")
    look_back.settle()
    return instance


def go_back(instance: Instance, entry: History, detail: dict[str, Any]) -> None:
    ended = {"result": None, "ended_at": None, "live_key": instance.key or None}
    changes: dict[str, Any] = {"snapshot": entry.snapshot, "error": "", "attempts": 0, "crashes": 0, "retry_at": None}
    try:
        with transaction.atomic():
            record(instance, "rewound", detail, state=entry.state, status=Status.WAITING, **changes, **ended)
    except IntegrityError as error:
        raise IllegalState(f"Another live instance has the key {instance.key!r} now.") from error
    Instruction.objects.filter(instance=instance).delete()
    release([instance.pk])


def patch(
    instance_id: int,
    *,
    actor: str,
    reason: str = "",
    state: dict[str, Any] | None = None,
    locals: dict[str, Any] | None = None,
) -> Instance:
    """Change state or locals, checked against the fields' types (rule 15). Raises BadPatch, IllegalState."""
    with transaction.atomic():
        instance = locked(instance_id, REWINDABLE, "patched")
        if instance.status in ENDED or not instance.snapshot:
            raise IllegalState(f"{instance} is {instance.status}: only what waits can be patched.")
        try:
            snapshot, difference = kernel.patch(
                program(instance.version_id), instance.snapshot, state=state, locals=locals
            )
        except (ValueError, Unloadable) as error:
            raise BadPatch(f"{error}.") from error
        detail = said(actor, reason) | {"changes": difference}
        record(instance, "patched", detail, state=state_of(snapshot), snapshot=snapshot)
    return instance


def locked(instance_id: int, allowed: Collection[Status], verb: str) -> Instance:
    instance = Instance.objects.locked(instance_id)
    if instance.status not in allowed:
        raise IllegalState(f"The instance is {instance.status} and cannot be {verb}.")
    return instance


def wake(instance: Instance, kind: str, detail: dict[str, Any], **changes: Any) -> None:
    status = Status.WAITING if instance.snapshot else Status.RUNNING
    record(instance, kind, detail, status=status, retry_at=None, **changes)
    release([instance.pk])
    ring("instances.resume")


def said(actor: str, reason: str) -> dict[str, Any]:
    return {"actor": actor, "reason": reason}
