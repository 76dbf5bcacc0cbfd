"""A whole engine in memory, for tests: it saves and restores after every turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from types import TracebackType
from typing import Any, Self

import msgspec

from resumable.criteria import Criteria
from resumable.durations import duration
from resumable.errors import IllegalState, KeyInUse
from resumable.faults import next_try
from resumable.kernel import (
    Cancel,
    Deliver,
    Event,
    Fire,
    OpenWait,
    Program,
    Start,
    StepError,
    advance,
    patch,
    view,
    where,
)
from resumable.schedules import next_after
from resumable.signal import Signal
from resumable.testing.instance import ENDED, InstanceView, Record
from resumable.testing.signal_log import LoggedSignal, Position, SignalLog
from resumable.workflow import Workflow

#: Steps without an event from outside before the shell says that they will not end.
ENDLESS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one signal."""

    started: list[InstanceView]
    resumed: list[InstanceView]
    matched: bool
    duplicate: bool = False


class Shell:
    """Runs workflows in memory, on a clock that only :meth:`advance` moves.

    :param workflows: the classes whose start conditions and schedules apply.
    :param now: the moment the shell begins at.
    """

    def __init__(self, *workflows: type[Workflow], now: datetime | None = None) -> None:
        self.now = now or datetime(2026, 1, 1, tzinfo=UTC)
        if self.now.tzinfo is None:
            raise ValueError("the shell's now needs a time zone, for instance tzinfo=UTC")
        self._begun = self.now
        self._log = SignalLog()
        self._records: list[Record] = []
        self._programs: dict[type, Program] = {}
        self._scheduled: dict[str, datetime] = {}
        self._turns = count(1)
        for workflow in workflows:
            self._program(workflow)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def send(
        self,
        signal: Signal | str,
        payload: Mapping[str, Any] | None = None,
        *,
        uid: str | None = None,
        service: str | None = None,
    ) -> Sent:
        """Push a signal, as an object or as name and payload, and run what it wakes.

        :raises ValueError: no workflow here knows the name, or the payload does not fit.
        :raises UidConflict: the uid was used with another payload.
        """
        name, deliver, data = self._read(signal, payload)
        logged = self._log.append(name, data, self.now, deliver=deliver, uid=uid, service=service)
        if logged is None:
            return Sent(started=[], resumed=[], matched=False, duplicate=True)
        takers = self._takers(logged)
        started = self._started_by(logged, {record.program.name for record in takers})
        for record in [*takers, *started]:
            self._pump(record)
        return Sent(
            started=[InstanceView(record) for record in started],
            resumed=[InstanceView(record) for record in takers if logged.seq in record.consumed],
            matched=bool(takers or started),
        )

    def start(self, workflow: type[Workflow], *args: Any, key: str | None = None) -> InstanceView:
        """Start an instance with arguments, as ``workflow.start`` does.

        :raises KeyInUse: a live instance has the key.
        """
        program = self._program(workflow)
        key = key if key is not None else program.start_key(args)
        if key is not None and self._live_with(program, key):
            raise KeyInUse(f"an instance of {program.name} with key {key!r} is live")
        record = self._create(program, args, key, Position(self.now, self._log.last))
        self._pump(record)
        return InstanceView(record)

    def instances(self, workflow: type[Workflow] | None = None) -> list[InstanceView]:
        """All instances, of one workflow or of all, in the order they started."""
        name = workflow.__resumable__.name if workflow else None
        return [InstanceView(r) for r in self._records if name in (None, r.program.name)]

    def advance(
        self,
        length: timedelta | None = None,
        *,
        days: float | None = None,
        hours: float | None = None,
        minutes: float | None = None,
        seconds: float | None = None,
    ) -> None:
        """Move the clock; timers, retries and schedules come due in their order."""
        end = self.now + duration(length, days=days, hours=hours, minutes=minutes, seconds=seconds)
        while (moment := self._next_moment()) is not None and moment <= end:
            self.now = max(self.now, moment)
            self._run_due()
        self.now = end

    def restart(self) -> None:
        """As if the process had been restarted: everything is read back from what was saved."""
        self._programs = {workflow: Program(workflow) for workflow in self._programs}
        for record in self._records:
            # References to classes inside a test function live in the old program.
            if "<locals>" not in record.program.workflow.__qualname__:
                record.program = self._programs[record.program.workflow]
            record.live_view()

    def pause(self, instance: InstanceView, *, reason: str = "") -> None:
        """Hold an instance: its signals and timers are kept for later."""
        record = self._in(instance, "pause", "running", "waiting", "retrying")
        record.status = "paused"
        record.remember("paused", self.now, reason=reason)

    def resume(self, instance: InstanceView, *, reason: str = "") -> None:
        """Let a paused instance go on, with what came meanwhile, in order."""
        record = self._in(instance, "resume", "paused")
        record.status = "waiting"
        record.remember("resumed", self.now, reason=reason)
        self._pump(record)

    def retry(self, instance: InstanceView, *, reason: str = "") -> None:
        """Try the failed step of a retrying or quarantined instance again, now."""
        record = self._in(instance, "retry", "retrying", "quarantined")
        record.status, record.attempts, record.retry_at = "waiting", 0, None
        record.remember("retried", self.now, reason=reason)
        self._pump(record)

    def cancel(self, instance: InstanceView, *, scope: str | None = None, reason: str = "") -> None:
        """Cancel an instance, or its open scopes of a name.

        :raises UnknownScope: no open scope has the name.
        """
        record = self._in(instance, "cancel", "waiting", "retrying", "paused", "quarantined")
        if record.snapshot is None:
            record.status, record.requested = "cancelled", []
            record.remember("cancelled", self.now, reason=reason)
            return
        self._check_scope(record, scope)
        record.requested.append(Cancel(scope=scope))
        record.status = "waiting"
        self._pump(record, reason=reason)

    def rewind(self, instance: InstanceView, to: int, *, redeliver: bool = False, reason: str = "") -> None:
        """Restore the snapshot and waits of history entry ``to``.

        :param redeliver: give the signals consumed since once more.
        :raises ValueError: no such entry, or nothing waits in it.
        """
        record = self._record(instance)
        saved = record.saved[to - 1] if 1 <= to <= len(record.saved) else None
        if saved is None or saved.snapshot is None or saved.status in ENDED:
            raise ValueError(f"history entry {to} has no waiting snapshot to rewind to")
        if not record.live and record.key is not None and self._live_with(record.program, record.key):
            raise KeyInUse(f"another instance with key {record.key!r} is live")
        record.restore(saved)
        if redeliver:
            record.consumed = set(saved.consumed)
        record.remember("rewound", self.now, to=to, redeliver=redeliver, reason=reason)
        self._pump(record)

    def patch(
        self,
        instance: InstanceView,
        *,
        state: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        """Change state fields or variables by hand.

        :raises ValueError: an unknown name, or a value that does not fit its type.
        """
        record = self._in(instance, "patch", "waiting", "retrying", "paused", "quarantined")
        if record.snapshot is None:
            raise ValueError("the instance has not begun; there is nothing to patch")
        record.snapshot, changes = patch(record.program, record.snapshot, state=state, locals=locals)
        record.remember("patched", self.now, changes=changes, reason=reason)
        self._pump(record)

    def _program(self, workflow: type[Workflow]) -> Program:
        program = self._programs.get(workflow)
        if program is None:
            program = self._programs[workflow] = Program(workflow)
            if program.schedule is not None:
                self._scheduled[program.name] = next_after(program.schedule, self.now, self._begun)
        return program

    def _record(self, instance: InstanceView) -> Record:
        if not isinstance(instance, InstanceView):
            raise TypeError(f"an instance is needed, as send() or start() give it, not {instance!r}")
        return instance._record

    def _in(self, instance: InstanceView, verb: str, *statuses: str) -> Record:
        record = self._record(instance)
        if record.status not in statuses:
            raise IllegalState(f"cannot {verb} an instance that is {record.status}")
        return record

    def _check_scope(self, record: Record, scope: str | None) -> None:
        if scope is not None and record.snapshot is not None:
            # Raised here, where the caller is, and not as a fault of the step.
            loaded = record.program.load(record.snapshot, self.now)
            loaded.run.request_cancel(scope)

    def _read(self, signal: Signal | str, payload: Mapping[str, Any] | None) -> tuple[str, str, dict[str, Any]]:
        if isinstance(signal, Signal):
            if payload is not None:
                raise TypeError("send() takes a signal, or a name and its payload, not a signal and a payload")
            cls, data = type(signal), signal
        else:
            cls = self._signal_class(signal)
            data = msgspec.convert(_json(dict(payload or {})), type=cls)
        return cls.__signal_name__, cls.__signal_deliver__, _json(data)

    def _signal_class(self, name: str) -> type[Signal]:
        for program in self._programs.values():
            for cls in program.signals:
                if cls.__signal_name__ == name:
                    return cls
        raise ValueError(f"no workflow of this shell knows a signal {name!r}")

    def _live_with(self, program: Program, key: str) -> bool:
        return any(r.live and r.key == key and r.program.name == program.name for r in self._records)

    def _create(self, program: Program, args: tuple[Any, ...], key: str | None, at: Position) -> Record:
        record = Record(len(self._records) + 1, program, key, begun=at, begins=at)
        record.requested.append(Start(args=args))
        self._records.append(record)
        return record

    def _takers(self, signal: LoggedSignal) -> list[Record]:
        """Who gets the signal: all that match, or the longest-waiting one of each workflow."""
        live = [record for record in self._records if record.live and not record.starting]
        if signal.deliver != "one":
            return [record for record in live if self._wait_for(record, signal) is not None]
        found: dict[str, Record] = {}
        for record in sorted(live, key=lambda record: self._waiting_since(record, signal)):
            name = record.program.name
            if name not in found and self._would_take(record, signal):
                found[name] = record
                signal.takers[name] = record.number
                record.promised.add(signal.seq)
        return sorted(found.values(), key=lambda record: record.number)

    def _waiting_since(self, record: Record, signal: LoggedSignal) -> tuple[bool, int]:
        """Those that hold a signal they have not applied come last: a second one may find no wait there."""
        wait = self._wait_for(record, signal)
        return bool(record.promised - record.consumed), record.opened[wait.number] if wait else 0

    def _would_take(self, record: Record, signal: LoggedSignal) -> bool:
        """Whether it matches. A ``where`` that raises is shown on its instance, and others are asked."""
        wait = self._wait_for(record, signal)
        if wait is None:
            return False
        try:
            return self._agrees(record, wait, signal)
        except StepError as error:
            self._failed(record, error)
            return False

    def _wait_for(self, record: Record, signal: LoggedSignal) -> OpenWait | None:
        """The oldest open wait of an instance that matches a signal."""
        return next((wait for wait in record.waits if self._matches(record, wait, signal)), None)

    def _matches(self, record: Record, wait: OpenWait, signal: LoggedSignal) -> bool:
        if wait.signal != signal.name or wait.criteria is None:
            return False
        if signal.position <= record.since[wait.number] or signal.seq in record.consumed:
            return False
        if signal.takers.get(record.program.name, record.number) != record.number:
            return False
        if not Criteria.decode(wait.criteria).matches(signal.payload):
            return False
        try:
            return self._agrees(record, wait, signal)
        except StepError:
            # It concerns this instance: the fault shows when the signal is delivered.
            return True

    def _agrees(self, record: Record, wait: OpenWait, signal: LoggedSignal) -> bool:
        if wait.where is None:
            return True
        assert record.snapshot is not None
        value = record.program.read_signal(signal.name, signal.payload)
        return where(record.program, record.snapshot, wait.number, value, now=self.now)

    def _started_by(self, signal: LoggedSignal, served: set[str]) -> list[Record]:
        """Standing waits: only workflows none of whose instances gets the signal."""
        started: list[Record] = []
        for program in list(self._programs.values()):
            if program.name in served or not any(
                start.signal == signal.name and start.criteria.matches(signal.payload) for start in program.starts
            ):
                continue
            value = program.read_signal(signal.name, signal.payload)
            key = program.start_key((value,))
            if key is None or not self._live_with(program, key):
                record = self._create(program, (value,), key, signal.position)
                record.consumed.add(signal.seq)
                started.append(record)
        return started

    def _pump(self, record: Record, **detail: Any) -> None:
        """Run an instance until nothing that is there now wakes it."""
        for _ in range(ENDLESS):
            if record.status not in ("running", "waiting"):
                return
            found = self._next_event(record)
            if found is None:
                record.pass_over(Position(self.now, self._log.last))
                return
            began, kind, event, signal = found
            self._turn(record, began, kind, event, signal, detail)
            detail = {}
        raise RuntimeError(f"{record.program.name} made {ENDLESS} steps without waiting for anything new")

    def _next_event(self, record: Record) -> _Next | None:
        if record.requested:
            event = record.requested[0]
            if isinstance(event, Start):
                return record.begun, "started", event, None
            return Position(self.now, self._log.last), "cancelled", event, None
        return min(self._candidates(record), key=lambda candidate: candidate[0], default=None)

    def _candidates(self, record: Record) -> Iterator[_Next]:
        """What could come next: due waits, and the oldest signal that each wait matches."""
        for wait in record.waits:
            if wait.due_at is not None and wait.due_at <= self.now:
                kind = "timer" if wait.kind == "timer" else "timeout"
                yield max(Position(wait.due_at, 0), record.begins), kind, Fire(wait=wait.number), None
            if wait.signal is None:
                continue
            for signal in self._log.after(wait.signal, record.since[wait.number]):
                oldest = self._wait_for(record, signal)
                if oldest is not None:
                    event = _Delivery(wait=oldest.number)
                    yield signal.position, "signal", event, signal
                    break

    def _turn(
        self,
        record: Record,
        began: Position,
        kind: str,
        event: Event | _Delivery,
        signal: LoggedSignal | None,
        detail: dict[str, Any],
    ) -> None:
        try:
            if isinstance(event, _Delivery):
                assert signal is not None
                event = self._deliver(record, event.wait, signal)
            turn = advance(
                record.program,
                record.snapshot,
                [event],
                now=self.now,
                ids={"instance": str(record.number), "key": record.key or ""},
            )
            _readable(record.program, turn.snapshot)
        except StepError as error:
            self._failed(record, error)
            return
        if record.requested and record.requested[0] is event:
            record.requested.pop(0)
        if signal is not None:
            record.consumed.add(signal.seq)
            if signal.deliver == "one":
                signal.takers[record.program.name] = record.number
            detail = {**detail, "signal": signal.name, "payload": signal.payload}
        if not isinstance(event, (Start, Cancel)):
            record.pass_over(began)
        record.apply(turn, began, next(self._turns))
        record.remember(kind, self.now, **detail)

    def _deliver(self, record: Record, number: int, signal: LoggedSignal) -> Deliver:
        wait = next(wait for wait in record.waits if wait.number == number)
        self._agrees(record, wait, signal)
        try:
            value = record.program.read_signal(signal.name, signal.payload)
        except ValueError as error:
            raise StepError(error, f"{signal.name} does not fit its class: {error}", "permanent") from error
        return Deliver(wait=number, signal=value)

    def _failed(self, record: Record, error: StepError) -> None:
        record.fail(error, next_try(error.fault, record.attempts + 1), self.now)
        kind = "quarantined" if record.status == "quarantined" else "failed_step"
        record.remember(kind, self.now, error=str(error), traceback=error.traceback)

    def _next_moment(self) -> datetime | None:
        moments = list(self._scheduled.values())
        for record in self._records:
            if record.status == "waiting":
                moments += [wait.due_at for wait in record.waits if wait.due_at is not None]
            elif record.status == "retrying" and record.retry_at is not None:
                moments.append(record.retry_at)
        return min(moments, default=None)

    def _run_due(self) -> None:
        for program in list(self._programs.values()):
            due = self._scheduled.get(program.name)
            if due is not None and program.schedule is not None and due <= self.now:
                self._scheduled[program.name] = next_after(program.schedule, due, self._begun)
                self._pump(self._create(program, (), None, Position(due, self._log.last)))
        for record in list(self._records):
            if record.status == "retrying" and record.retry_at is not None and record.retry_at <= self.now:
                record.status = "running" if record.snapshot is None else "waiting"
            self._pump(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Delivery:
    """A signal about to be delivered: its class is read as part of the step."""

    wait: int


#: When it came, the kind for the history, what to apply, and the signal if it is one.
_Next = tuple[Position, str, "Event | _Delivery", "LoggedSignal | None"]


def _readable(program: Program, snapshot: str) -> None:
    """Read back what was saved, as the next process would."""
    try:
        view(program, snapshot)
    except Exception as error:
        raise StepError(error, f"what the step left cannot be read back: {error}", "permanent") from error


def _json(value: Any) -> Any:
    """A value as the JSON of the wire, parsed."""
    return msgspec.json.decode(msgspec.json.encode(value))
