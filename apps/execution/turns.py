"""Applies to one instance what has come for it: turn by turn, in memory. Touches no table.

What comes is merged by time: a wait's moment when it was due, a signal when it was received. Instructions come first.
Each is one turn and one history entry. A turn that fails ends the batch of its instance: what it did before stays,
what failed and what comes after it waits for the next try.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.execution.rows import DeliveryRow, InstanceRow, InstructionRow, Position, WaitRow
from apps.instances.statuses import ENDED, Asked, Status
from apps.lib.jsontext import decode
from apps.waits.statuses import Kind
from resumable.criteria import Criteria
from resumable.errors import UnknownScope
from resumable.kernel import (
    Cancel,
    Cancelled,
    Completed,
    Deliver,
    Failed,
    Fire,
    OpenWait,
    Program,
    Start,
    StepError,
    Turn,
    advance,
)
from resumable.kernel import where as where_agrees
from resumable.signal import Signal

#: Turns of one instance in one batch. A loop of `sleep(0)` must not keep the others of its batch waiting.
MOST_TURNS = 100

Event = Start | Deliver | Fire | Cancel
EVERYTHING = Criteria.build(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the history."""

    seq: int
    kind: str
    detail: dict[str, Any]
    state: Any
    snapshot: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A wait that a turn opened, from where it sees signals, and what it demands of one."""

    wait: OpenWait
    since: Position
    criteria: Criteria

    @classmethod
    def of(cls, wait: OpenWait, since: Position) -> Opened:
        return cls(wait, since, Criteria.decode(wait.criteria) if wait.criteria else EVERYTHING)


@dataclass(slots=True)
class Instance:
    """One instance while its batch is applied."""

    row: InstanceRow
    waits: dict[int, WaitRow]
    revision: int
    snapshot: str
    status: str
    cancelling: bool
    result: Any = None
    error: str = ""
    fault: StepError | None = None
    began: Position | None = None
    entries: list[Entry] = field(default_factory=list)
    opened: dict[int, Opened] = field(default_factory=dict)
    closed: list[int] = field(default_factory=list)
    consumed: list[tuple[int, int]] = field(default_factory=list)
    declined: list[DeliveryRow] = field(default_factory=list)
    done: list[int] = field(default_factory=list)

    @classmethod
    def of(cls, row: InstanceRow, waits: Sequence[WaitRow]) -> Instance:
        return cls(
            row=row,
            waits={each.number: each for each in waits},
            revision=row.revision,
            snapshot=row.snapshot,
            status=row.status,
            cancelling=row.cancelling,
        )

    @property
    def ended(self) -> bool:
        return self.status in ENDED

    @property
    def changed(self) -> bool:
        return bool(self.entries)


@dataclass(slots=True)
class Work:
    """What is to be applied to one instance. Waits that are due later than `due_until` stay."""

    deliveries: list[DeliveryRow]
    instructions: list[InstructionRow]
    due_until: datetime


def apply(instance: Instance, program: Program, work: Work, now: datetime) -> None:
    """Take every turn that is due. A failing one is kept as `instance.fault`."""
    try:
        for instruction in in_order(instance, work.instructions):
            follow(instance, program, instruction, now)
        if not instance.snapshot:
            begin(instance, program, work, now)
        for _ in turns(instance, program, work, now):
            if len(instance.entries) >= MOST_TURNS:
                return
    except StepError as error:
        instance.fault = error
        return
    if instance.ended:
        instance.declined += work.deliveries


def in_order(instance: Instance, told: Sequence[InstructionRow]) -> list[InstructionRow]:
    """As they were told; but what is cancelled before it began does not begin."""
    return sorted(told, key=lambda each: each.kind == Asked.START) if not instance.snapshot else list(told)


def follow(instance: Instance, program: Program, told: InstructionRow, now: datetime) -> None:
    if instance.ended:
        pass
    elif told.kind == Asked.START:
        args = arguments(program, told)
        turn(instance, program, Start(args=args), instance.row.started, "started", {}, now)
    elif not instance.snapshot:
        cancel_unbegun(instance, told)
    else:
        cancel(instance, program, told, now)
    instance.done.append(told.id)


def arguments(program: Program, told: InstructionRow) -> tuple[Any, ...]:
    """What `run` gets. They were checked when they were given; the source that runs may still refuse them."""
    try:
        return tuple(program.convert_args(told.args))
    except ValueError as error:
        raise StepError(error, f"the arguments of {program.name}: {error}", "permanent") from error


def cancel(instance: Instance, program: Program, told: InstructionRow, now: datetime) -> None:
    event = Cancel(scope=told.scope or None)
    try:
        turn(instance, program, event, told.position, "cancelled", said(told), now)
    except StepError as error:
        # The scope was left between the asking and now: there is nothing to cancel any more.
        if not isinstance(error.error, UnknownScope):
            raise


def said(told: InstructionRow) -> dict[str, Any]:
    return {"actor": told.actor, "reason": told.reason} | ({"scope": told.scope} if told.scope else {})


def cancel_unbegun(instance: Instance, told: InstructionRow) -> None:
    """Nothing of it ran, so there is nothing to unwind."""
    instance.status = Status.CANCELLED.value
    instance.revision += 1
    instance.entries.append(Entry(seq=instance.revision, kind="cancelled", detail=said(told), state={}, snapshot=""))


def begin(instance: Instance, program: Program, work: Work, now: datetime) -> None:
    """Take the first turn, with the signal that started the instance."""
    row = instance.row
    first = next((each for each in work.deliveries if each.signal_id == row.started_signal), None)
    if first is None or instance.ended:
        return
    signal = read(program, first)
    detail = {"signal": first.name, "signal_id": first.signal_id}
    turn(instance, program, Start(args=(signal,)), first.position, "started", detail, now)
    work.deliveries.remove(first)
    instance.consumed.append((first.id, instance.revision))


def turns(instance: Instance, program: Program, work: Work, now: datetime) -> Iterator[None]:
    """Apply what is next until nothing is. Of what comes at one moment the time limit is first."""
    while instance.snapshot and not instance.ended:
        due = next_due(instance, work.due_until)
        given = work.deliveries[0] if work.deliveries else None
        if due is not None and (given is None or due.at <= given.received_at):
            fire(instance, program, due, now)
        elif given is not None:
            give(instance, program, given, now)
            work.deliveries.pop(0)
        else:
            return
        yield


@dataclass(frozen=True, slots=True)
class Due:
    at: datetime
    number: int
    kind: str
    since: Position

    @property
    def position(self) -> Position:
        """Where the step that it causes begins: never before the step that made the wait."""
        return max(Position(self.at, 0), self.since)


def next_due(instance: Instance, until: datetime) -> Due | None:
    """The open wait whose moment came first."""
    due = [Due(each.due_at, each.number, each.kind, each.since) for each in instance.waits.values() if each.due_at]
    for each in instance.opened.values():
        if each.wait.due_at:
            due.append(Due(each.wait.due_at, each.wait.number, each.wait.kind, each.since))
    past = [each for each in due if each.at <= until]
    return min(past, key=lambda each: (each.at, each.number), default=None)


def fire(instance: Instance, program: Program, due: Due, now: datetime) -> None:
    kind = "timer" if due.kind == Kind.TIMER else "timeout"
    turn(instance, program, Fire(wait=due.number), due.position, kind, {"wait": due.number}, now)


def give(instance: Instance, program: Program, given: DeliveryRow, now: datetime) -> None:
    """Complete the oldest wait that wants the signal; decline the signal when none does."""
    signal = None
    payload = decode(given.payload)
    for number, asks in wanting(instance, given, payload):
        signal = signal or read(program, given)
        if asks and not agrees(instance, program, given, number, signal, now):
            continue
        detail = {"signal": given.name, "signal_id": given.signal_id, "wait": number}
        turn(instance, program, Deliver(wait=number, signal=signal), given.position, "signal", detail, now)
        instance.consumed.append((given.id, instance.revision))
        return
    instance.declined.append(given)


def agrees(
    instance: Instance, program: Program, given: DeliveryRow, number: int, signal: Signal, now: datetime
) -> bool:
    """What the wait's `.where` says. Raises StepError where it raises: that concerns this instance alone."""
    try:
        return where_agrees(program, instance.snapshot, number, signal, now=now)
    except StepError:
        if signal.__signal_deliver__ == "one":
            # It is shown here, and the signal goes on to the next in line instead of waiting for a repair.
            instance.declined.append(given)
        raise


def wanting(instance: Instance, given: DeliveryRow, payload: Any) -> list[tuple[int, str]]:
    """Open waits whose criteria the signal meets, oldest first, with their `.where`."""
    open_waits: list[tuple[int, str | None, Any, str | None, Position]] = [
        (each.number, each.signal, each.criteria, each.where, each.since) for each in instance.waits.values()
    ]
    open_waits += [
        (each.wait.number, each.wait.signal, each.criteria, each.wait.where, each.since)
        for each in instance.opened.values()
    ]
    return [
        (number, where or "")
        for number, name, criteria, where, since in sorted(open_waits, key=lambda each: each[0])
        if name == given.name and since.before(given) and meets(criteria, payload)
    ]


def meets(criteria: Any, payload: Any) -> bool:
    demand = criteria if isinstance(criteria, Criteria) else Criteria.decode(criteria)
    return demand.matches(payload if isinstance(payload, dict) else {})


def read(program: Program, given: DeliveryRow) -> Any:
    """The signal in the class of this version. Raises StepError where the payload does not fit it."""
    try:
        return program.read_signal(given.name, given.payload)
    except ValueError as error:
        raise StepError(error, f"{given.name} (signal {given.signal_id}): {error}", "permanent") from error


def turn(
    instance: Instance,
    program: Program,
    event: Event,
    began: Position,
    kind: str,
    detail: dict[str, Any],
    now: datetime,
) -> None:
    """One turn and its history entry. Raises StepError, and then nothing of the turn is kept."""
    instance.began = began
    done = advance(program, instance.snapshot or None, [event], now=now, ids=ids(instance))
    instance.snapshot = done.snapshot
    instance.revision += 1
    close(instance, done)
    for each in done.opened:
        instance.opened[each.number] = Opened.of(each, since(instance, each, began))
    end(instance, event, done)
    detail = {**detail, "began": list(began), "opened": [each.number for each in done.opened]}
    instance.entries.append(
        Entry(seq=instance.revision, kind=kind, detail=detail, state=done.state, snapshot=done.snapshot)
    )


def ids(instance: Instance) -> dict[str, str]:
    return {"instance_id": str(instance.row.public_id)}


def close(instance: Instance, done: Turn) -> None:
    for each in done.closed:
        stored = instance.waits.pop(each.number, None)
        if stored is not None:
            instance.closed.append(stored.id)
        instance.opened.pop(each.number, None)


def since(instance: Instance, wait: OpenWait, began: Position) -> Position:
    """From where the wait sees signals (rule 7)."""
    if wait.since is None:
        return began
    if isinstance(wait.since, timedelta):
        return Position(began.at - wait.since, 0)
    return instance.row.started


def end(instance: Instance, event: Event, done: Turn) -> None:
    if isinstance(event, Cancel) and event.scope is None:
        instance.cancelling = True
    if done.outcome is None:
        instance.status = Status.WAITING.value
        return
    instance.closed += [each.id for each in instance.waits.values()]
    instance.waits, instance.opened = {}, {}
    if isinstance(done.outcome, Completed):
        instance.status, instance.result = Status.COMPLETED.value, done.outcome.result
    elif isinstance(done.outcome, Failed):
        instance.status, instance.error = Status.FAILED.value, done.outcome.error
    else:
        assert isinstance(done.outcome, Cancelled)
        instance.status = Status.CANCELLED.value
