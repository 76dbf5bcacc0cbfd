"""Gives the signals of the log to the instances that wait for them, and starts what they start.

`match`, in one transaction:
1. take the cursor of the log; whoever has it matches, others have nothing to do;
2. read the next signals, the shapes that wait for their names, and the waits with their keys: one indexed join, so
   the cost of a signal does not grow with the number of waits;
3. decide in memory (`offers`), before any snapshot is read;
4. write deliveries and new instances, move the cursor, ring for resuming.

A signal with more waits than a page is given to them a page at a time, each page a transaction. A batch that a worker
died of is halved down to one signal; a signal that kills a worker again and again is passed over with a log event, so
that one payload cannot stop the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from django.db import DatabaseError, transaction
from django.db.models import F

from apps.execution import offers
from apps.execution.rows import Candidate, SignalRow
from apps.execution.services import claims
from apps.execution.store import store
from apps.lib.conf import conf
from apps.lib.doorbell import ring
from apps.lib.durability import may_be_redone
from apps.signals.models import Cursor, Delivery
from apps.signals.querysets import LOG
from apps.signals.statuses import Given

log = structlog.get_logger(__name__)

#: Matching stops while this many times `resume_batch` deliveries wait to be applied: what lies in the log costs
#: nothing, what is given out early makes every look back longer.
AHEAD = 2
#: Tries of one batch, each a quarter of the one before, after which its first signal is passed over.
TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """What one call did. `more` says that the log goes on."""

    signals: int = 0
    deliveries: int = 0
    started: int = 0
    more: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """As many signals as have their candidates on one page. `partial` when the first alone has more than a page."""

    count: int
    candidates: Sequence[Candidate]
    partial: bool


def match(limit: int | None = None) -> Matched:
    """Match the next batch. Nothing is done while another worker does, or while enough is waiting to be applied."""
    if not unmatched() or enough_ahead():
        return Matched()
    with transaction.atomic():
        token = claims.take([])
    try:
        with claims.holding(token):
            may_be_redone()
            cursor = Cursor.objects.select_for_update(skip_locked=True).filter(name=LOG).first()
            return match_from(cursor, limit or conf.match_batch) if cursor else Matched()
    except DatabaseError:
        raise
    except Exception:
        # The log must not stop at a signal that the matcher cannot handle: the failure counts like a death.
        Cursor.objects.filter(name=LOG).update(attempts=F("attempts") + 1)
        raise


def enough_ahead() -> bool:
    most = AHEAD * conf.resume_batch
    ready = Delivery.objects.filter(state=Given.READY).order_by()
    return ready[:most].count() >= most


def match_from(cursor: Cursor, limit: int) -> Matched:
    signals = store().log_after(cursor.position, max(1, limit >> 2 * cursor.attempts))
    if not signals:
        return Matched()
    if cursor.attempts >= TRIES:
        return pass_over(cursor, signals[0])
    batch = offers.read(signals)
    fit = fitting(batch, cursor.wait_after)
    given = offers.given_before([signals[0].signal_id]) if cursor.wait_after else {}
    if fit.partial:
        return match_page(cursor, batch, fit, given)
    decision = offers.decide(batch, fit.count, fit.candidates, given=given)
    started = write(decision)
    more = fit.count < len(signals) or len(signals) >= limit or cursor.attempts > 0
    move(cursor, signals[fit.count - 1].signal_id)
    ring_for(bool(decision.pairs or started), more)
    return Matched(signals=fit.count, deliveries=len(decision.pairs), started=started, more=more)


def move(cursor: Cursor, position: int) -> None:
    cursor.position, cursor.wait_after, cursor.attempts = position, 0, 0
    cursor.save(update_fields=["position", "wait_after", "attempts"])


def pass_over(cursor: Cursor, signal: SignalRow) -> Matched:
    """Leave a signal unmatched that stopped the matcher as often as may be."""
    log.error("signal.passed_over", signal_id=signal.signal_id, name=signal.name, attempts=cursor.attempts)
    move(cursor, signal.signal_id)
    ring("signals.match")
    return Matched(signals=1, more=True)


def fitting(batch: offers.Batch, after: int) -> Fit:
    """The most signals, by quarters, whose candidates fit a page. What a page was begun for goes on alone."""
    count = 1 if after else len(batch.signals)
    while True:
        rows = store().candidates(offers.probes(batch, count), after, conf.fanout_page + 1)
        if len(rows) <= conf.fanout_page:
            return Fit(count=count, candidates=rows, partial=False)
        if count == 1:
            return Fit(count=1, candidates=rows[:-1], partial=True)
        count = max(1, count // 4)


def match_page(cursor: Cursor, batch: offers.Batch, fit: Fit, given: dict[int, set[int]]) -> Matched:
    """Give the first signal to one page of its waits. What it starts is decided with the last page."""
    decision = offers.decide(replace(batch, starts={}), 1, fit.candidates, given=given)
    write(decision)
    cursor.wait_after = fit.candidates[-1].wait_id
    cursor.save(update_fields=["wait_after"])
    ring_for(bool(decision.pairs), more=True)
    return Matched(deliveries=len(decision.pairs), more=True)


def write(decision: offers.Decision) -> int:
    """The deliveries and the new instances; how many there are of the latter."""
    if decision.pairs:
        store().deliver([(signal, instance) for signal, instance, _ in decision.pairs])
    made = store().create(decision.wanted) if decision.wanted else []
    return sum(1 for each in made if each is not None)


def ring_for(work: bool, more: bool) -> None:
    if work:
        ring("instances.resume")
    if more:
        ring("signals.match")


def unmatched(limit: int = 1) -> list[SignalRow]:
    """The next signals that nobody has matched yet."""
    return store().log_after(Cursor.objects.log().position, limit)
