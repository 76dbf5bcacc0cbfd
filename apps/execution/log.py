"""Reads the log of signals by position. Times in it never fall: ingest sees to that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from apps.execution.rows import Position, SignalRow
from apps.lib.clock import now
from apps.signals.models import Cursor, Signal

COLUMNS = ("pk", "tenant_id", "name", "payload", "received_at")
PAGE = 1000


def rows_between(tenant: int, names: Iterable[str], after: int, upto: int) -> Iterator[SignalRow]:
    """The signals of these names with ids in (after, upto], in pages, in log order."""
    names = list(names)
    while after < upto:
        rows = Signal.objects.filter(tenant_id=tenant, name__in=names, pk__gt=after, pk__lte=upto).order_by("pk")
        page = [SignalRow._make(row) for row in rows.values_list(*COLUMNS)[:PAGE]]
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].signal_id


def rows_of(ids: Iterable[int]) -> list[SignalRow]:
    rows = Signal.objects.filter(pk__in=set(ids)).order_by("pk")
    return [SignalRow._make(row) for row in rows.values_list(*COLUMNS)]


def lower_bound(position: Position) -> int:
    """The greatest id that is certainly not after the position."""
    return position.signal or last_before(position.at)


def end() -> int:
    """The last id of the log; 0 when it is empty."""
    return Signal.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def settled_until() -> datetime:
    """The moment up to which all that was received has been given to whom it concerns.

    What is due later must wait: when workers were away, a signal that came in time may still lie in the log, and the
    time limit would take its place. (Instances that still look back are not stepped at all.)
    """
    position = Cursor.objects.log().position
    unmatched = Signal.objects.filter(pk__gt=position).order_by("pk").values_list("received_at", flat=True).first()
    return min(now(), unmatched) if unmatched else now()


def last_before(moment: datetime) -> int:
    """The last id received before the moment; 0 when there is none.

    By halving: an index on the time of receipt would cost every signal an entry, and is asked seldom.
    """
    low, high = 0, end()
    while low < high:
        middle = (low + high + 1) // 2
        # Ids have gaps, so the row at or below the middle answers for it.
        row = Signal.objects.filter(pk__gt=low, pk__lte=middle).order_by("-pk").values_list("pk", "received_at").first()
        if row is None:
            low = middle
        elif row[1] < moment:
            low = middle
        else:
            high = row[0] - 1
    return low
