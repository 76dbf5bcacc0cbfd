"""Changes of an instance that are no turns: each is one compare-and-swap and one line of history."""

from __future__ import annotations

from typing import Any

from apps.execution.store.base import LostRace
from apps.instances.models import History, Instance
from apps.lib.clock import now


def record(instance: Instance, kind: str, detail: dict[str, Any], *, state: Any = None, **changes: Any) -> None:
    """Change a locked instance and say so in its history. Raises LostRace when somebody else changed it."""
    if not Instance.objects.all().save_if(instance.pk, instance.revision, **changes):
        raise LostRace(f"instance {instance.pk} has no longer revision {instance.revision}")
    last = History.objects.of(instance).last() if state is None else None
    History.objects.create(
        instance=instance,
        seq=instance.revision + 1,
        kind=kind,
        at=now(),
        detail=detail,
        state=state if state is not None else (last.state if last else {}),
        snapshot=changes.get("snapshot", instance.snapshot),
    )
    instance.revision += 1
    for name, value in changes.items():
        setattr(instance, name, value)
