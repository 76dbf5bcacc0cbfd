"""The wait rows of a snapshot that is brought back."""

from __future__ import annotations

from datetime import datetime

from apps.execution import saving, turns
from apps.execution.rows import Changes, Position
from apps.execution.store import store
from apps.execution.templates import template_ids
from apps.instances.models import History, Instance
from apps.lib.clock import now
from resumable import kernel


def restored(instance: Instance, entry: History) -> Changes:
    """The waits of the entry's snapshot, and that they look back: each from where the step that made it began."""
    (row,) = store().load([instance.pk], 0).instances
    stepped = turns.Instance.of(row, [])
    waits = {each.number: each for each in kernel.open_waits(entry.snapshot)}
    for number, began in positions(instance, set(waits), entry.seq).items():
        stepped.opened[number] = turns.Opened.of(waits[number], turns.since(stepped, waits[number], began))
    opened = list(stepped.opened.values())
    templates = template_ids([saving.shape(stepped, each) for each in saving.signal_waits(stepped)])
    changes = Changes(opened=[saving.wait_row(stepped, each, templates, now()) for each in opened])
    saving.owe(stepped, changes.owed)
    return changes


def positions(instance: Instance, numbers: set[int], seq: int) -> dict[int, Position]:
    """Where the steps that opened these waits began, from the history up to entry `seq`, newest first."""
    found: dict[int, Position] = {}
    entries = History.objects.of(instance).filter(seq__lte=seq).reverse().values_list("detail", flat=True)
    for detail in entries.iterator(chunk_size=100):
        for number in numbers.intersection(detail.get("opened", ())) - found.keys():
            at, signal = detail["began"]
            found[number] = Position(datetime.fromisoformat(at), signal)
        if len(found) == len(numbers):
            break
    started = Position(instance.started_at, instance.started_signal)
    return {number: found.get(number, started) for number in numbers}
