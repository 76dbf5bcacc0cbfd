"""The wait rows of a snapshot that is brought back."""

from __future__ import annotations

from apps.execution import saving, turns
from apps.execution.rows import Changes, Position
from apps.execution.store import store
from apps.execution.templates import template_ids
from apps.instances.models import Instance
from apps.lib.clock import now
from resumable import kernel


def restored(instance: Instance, snapshot: str, began: Position) -> Changes:
    """The waits of `snapshot` and that they look back; they see signals from where the step that made them began."""
    (row,) = store().load([instance.pk], 0).instances
    stepped = turns.Instance.of(row, [])
    for wait in kernel.open_waits(snapshot):
        stepped.opened[wait.number] = turns.Opened(wait, turns.since(stepped, wait, began))
    opened = list(stepped.opened.values())
    templates = template_ids([saving.shape(stepped, each) for each in saving.signal_waits(stepped)])
    changes = Changes(opened=[saving.wait_row(stepped, each, templates, now()) for each in opened])
    saving.owe(stepped, changes.owed)
    return changes
