"""The second look of rule 7: a committed wait looks for the signals received since the step that made it began.

A committed signal looks for waits (`match`), a committed wait looks for signals (here); whichever commits last finds
the other, and the unique delivery makes finding twice harmless. What is owed is a row written with the waits, so a
crash between the two looks loses nothing.

`settle`, for each owed row:
1. pass the cursor's lock once: a matching that began before the waits were committed has then ended, and every later
   one sees them. So the log up to the cursor is all there is to look at, however much lies behind it;
2. give the waits what they want of it;
3. offer again what was declined, because it may belong to another instance or start one (rules 2 and 4), and the
   start signals of keys that an instance has just freed (rule 1).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from apps.definitions.models import Workflow
from apps.execution import offers
from apps.execution.log import lower_bound, rows_between, rows_of
from apps.execution.rows import NewInstance, Position, SignalRow
from apps.execution.services import match
from apps.execution.store import store
from apps.lib.conf import conf
from apps.lib.doorbell import ring
from apps.lib.durability import may_be_redone
from apps.lib.jsontext import decode
from apps.signals.models import Cursor, Delivery
from apps.waits.models import LookBack, Wait
from apps.waits.statuses import Kind
from resumable.criteria import Criteria, payload_key_hash

#: By workflow and key, where the step began that ended the key's instance.
Freed = dict[tuple[int, str], Position]

#: Owed rows that one call works off.
MOST = 20


class Looking(NamedTuple):
    """A new wait that looks back."""

    instance_id: int
    number: int
    tenant_id: int
    workflow_id: int
    template_id: int
    key_hash: int
    signal: str
    criteria: Any
    since_at: datetime
    since_signal: int

    @property
    def since(self) -> Position:
        return Position(self.since_at, self.since_signal)


def settle(most: int = MOST) -> int:
    """Work off what is owed; how many rows."""
    # The rows are read before the cursor is passed: what they owe was committed before that.
    rows = list(LookBack.objects.order_by("pk").values_list("pk", flat=True)[:most])
    return sum(settle_one(pk, passed()) for pk in rows)


def settle_one(pk: int, position: int) -> bool:
    """False when another worker has it or had it."""
    with transaction.atomic():
        may_be_redone()
        row = LookBack.objects.select_for_update(skip_locked=True).filter(pk=pk).first()
        if row is None:
            return False
        look(row.owed, position)
        row.delete()
        # Also when nothing was found: what came meanwhile for these instances was not applied.
        ring("instances.resume")
    return True


def passed() -> int:
    """The cursor, once every matching that is under way has ended."""
    with transaction.atomic():
        may_be_redone()
        return Cursor.objects.all().locked_log().position


def look(owed: dict[str, list[Any]], position: int) -> None:
    """Give what is wanted, and offer again what may be."""
    freed = {
        (workflow, key): Position(datetime.fromisoformat(at), after)
        for workflow, key, at, after in owed.get("keys", [])
    }
    concerned = offered(owed.get("offers", []), freed, position)
    if concerned:
        # Before anything is given: who had given first would wait for the cursor, and its holder for what was given.
        Cursor.objects.all().locked_log()
    store().deliver_again(seen(new_waits(owed.get("waits", [])), position))
    if concerned:
        offer(rows_of(concerned), concerned, freed)


def new_waits(owed: Sequence[tuple[int, list[int]]]) -> list[Looking]:
    """Those of the new waits that are still open."""
    wanted = {(instance, number) for instance, numbers in owed for number in numbers}
    rows = Wait.objects.filter(instance_id__in={each[0] for each in wanted}, kind=Kind.SIGNAL).order_by("pk")
    names = (
        "instance_id", "number", "template__tenant_id", "template__workflow_id", "template_id", "key_hash", "signal",
        "criteria", "since_at", "since_signal",
    )  # fmt: skip
    found = (Looking._make(row) for row in rows.values_list(*names))
    return [each for each in found if (each.instance_id, each.number) in wanted]


def seen(waits: Sequence[Looking], position: int) -> list[tuple[int, int]]:
    """(signal, instance) of every signal up to `position` that one of the waits wants. Each pair once."""
    pairs: dict[tuple[int, int], None] = {}
    by_tenant: dict[int, list[Looking]] = defaultdict(list)
    for each in waits:
        by_tenant[each.tenant_id].append(each)
    for tenant, mine in by_tenant.items():
        after = min(lower_bound(each) for each in {wait.since for wait in mine})
        batch = list(rows_between(tenant, {each.signal for each in mine}, after, position))
        if batch:
            pairs |= dict.fromkeys(wanted(mine, offers.read(batch)))
    return list(pairs)


def wanted(waits: Sequence[Looking], batch: offers.Batch) -> Iterator[tuple[int, int]]:
    by_key: dict[tuple[int, int], list[Looking]] = defaultdict(list)
    for each in waits:
        by_key[each.template_id, each.key_hash].append(each)
    templates = {each.template_id for each in waits}
    taken = taken_singles(batch)
    for index, signal in enumerate(batch.signals):
        payload = batch.payloads[index]
        for shape in batch.shapes.get((signal.tenant_id, signal.name), ()):
            if shape.id not in templates:
                continue
            for wait in by_key.get((shape.id, payload_key_hash(shape.fields, payload)), ()):
                if wants(wait, signal, payload) and free(batch, signal, wait.workflow_id, taken):
                    yield signal.signal_id, wait.instance_id


def wants(wait: Looking, signal: SignalRow, payload: Any) -> bool:
    return wait.since.before(signal) and Criteria.decode(wait.criteria).matches(payload)


def taken_singles(batch: offers.Batch) -> dict[int, set[int]] | None:
    """The workflows that have got the signals made for one; None when there are no such signals.

    Matching must not decide about them meanwhile, so the cursor is locked until the end of the transaction.
    """
    if not batch.single:
        return None
    Cursor.objects.all().locked_log()
    return offers.given_before(each.signal_id for each in batch.signals)


def free(batch: offers.Batch, signal: SignalRow, workflow: int, taken: dict[int, set[int]] | None) -> bool:
    """Whether a signal may still be given to this workflow; one made for one is given once."""
    if taken is None or (signal.tenant_id, signal.name) not in batch.single:
        return True
    got = taken.setdefault(signal.signal_id, set())
    if workflow in got:
        return False
    got.add(workflow)
    return True


def offered(declined: Sequence[tuple[int, int]], freed: Freed, position: int) -> dict[int, set[int]]:
    """The workflows that declined signals, and start signals of freed keys, are offered to."""
    concerned: dict[int, set[int]] = defaultdict(set)
    for signal, workflow in declined:
        concerned[signal].add(workflow)
    for signal, workflow in starting(freed, position):
        concerned[signal].add(workflow)
    return concerned


def starting(freed: Freed, position: int) -> Iterator[tuple[int, int]]:
    """(signal, workflow) of the start signals of a freed key, received since the step that freed it began."""
    since: dict[int, dict[str, Position]] = defaultdict(dict)
    for (workflow, key), began in freed.items():
        since[workflow][key] = began
    rows = Workflow.objects.startable().filter(pk__in=since)
    for workflow, tenant, version, conditions in rows.values_list("pk", "tenant_id", "version_id", "version__starts"):
        names = {each["signal"] for each in conditions}
        after = min(lower_bound(each) for each in since[workflow].values())
        signals = [
            each
            for each in rows_between(tenant, names, after, position)
            if is_of_freed_key(each, version, since[workflow])
        ]
        given = offers.given_before(each.signal_id for each in signals)
        yield from ((each.signal_id, workflow) for each in signals if workflow not in given.get(each.signal_id, ()))


def is_of_freed_key(signal: SignalRow, version: int | None, since: dict[str, Position]) -> bool:
    """Whether the signal has one of the keys and came after that key's instance began to end."""
    assert version is not None
    began = since.get(offers.key_of(version, signal, offers.mapping(decode(signal.payload))) or "")
    return began is not None and began.before(signal)


def offer(signals: Sequence[SignalRow], concerned: dict[int, set[int]], freed: Freed) -> None:
    """Decide about signals that were decided about before: who declined one does not get it again."""
    batch = offers.read(signals)
    rows = Delivery.objects.filter(signal_id__in=concerned).values_list("signal_id", "instance_id")
    before = set(rows)
    candidates = [
        each
        for each in store().candidates(offers.probes(batch, len(signals)), 0, conf.fanout_page)
        if (signals[each.place].signal_id, each.instance_id) not in before
    ]
    decision = offers.decide(batch, len(signals), candidates, given=offers.given_before(concerned))
    decision.only(concerned)
    # When such a signal came, the instance that has freed the key since was still live.
    decision.wanted = [each for each in decision.wanted if not was_live(each, freed)]
    match.write(decision)


def was_live(wanted: NewInstance, freed: Freed) -> bool:
    began = freed.get((wanted.workflow_id, wanted.key or ""))
    return began is not None and not began.before(wanted)
