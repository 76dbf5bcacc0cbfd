"""An instance in the shell: its record, and what a test sees of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from resumable.criteria import Criteria
from resumable.kernel import (
    Cancelled,
    Completed,
    Event,
    Failed,
    FrameView,
    OpenWait,
    Program,
    Start,
    StepError,
    Turn,
    View,
    open_waits,
    view,
)
from resumable.testing.signal_log import Position

LIVE = frozenset({"running", "waiting", "retrying", "paused", "quarantined"})
ENDED = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitView:
    """One open wait, as an operator reads it."""

    number: int
    name: str | None
    kind: str
    signal: str | None
    criteria: str | None
    due_at: datetime | None
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """One thing that happened to an instance; ``state`` is how it was afterwards."""

    seq: int
    kind: str
    at: datetime
    detail: Mapping[str, Any]
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What a history entry needs to be rewound to."""

    snapshot: str | None
    status: str
    since: Mapping[int, Position]
    consumed: frozenset[int]


@dataclass(slots=True, eq=False)
class Record:
    """The row of an instance.

    ``since`` says per open wait how far back it looks, ``opened`` in which turn of all it was made.
    """

    number: int
    program: Program
    key: str | None
    begun: Position
    begins: Position
    status: str = "running"
    snapshot: str | None = None
    result: Any = None
    error: str | None = None
    attempts: int = 0
    retry_at: datetime | None = None
    requested: list[Event] = field(default_factory=list)
    waits: list[OpenWait] = field(default_factory=list)
    since: dict[int, Position] = field(default_factory=dict)
    opened: dict[int, int] = field(default_factory=dict)
    consumed: set[int] = field(default_factory=set)
    promised: set[int] = field(default_factory=set)
    history: list[HistoryEntry] = field(default_factory=list)
    saved: list[Saved] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.status in LIVE

    def apply(self, turn: Turn, began: Position, order: int) -> None:
        """Keep what a turn made of the instance. ``order`` counts the turns of all instances."""
        self.snapshot = turn.snapshot
        self.status, self.error, self.attempts, self.retry_at = "waiting", None, 0, None
        for wait in turn.opened:
            self.since[wait.number] = self._horizon(wait, began)
            self.opened[wait.number] = order
        self.waits = list(open_waits(turn.snapshot))
        self.since = {wait.number: self.since[wait.number] for wait in self.waits}
        self.begins = began
        if isinstance(turn.outcome, Completed):
            self.status, self.result = "completed", self.program.decode(turn.outcome.result)
        elif isinstance(turn.outcome, Failed):
            self.status, self.error = "failed", turn.outcome.error
        elif isinstance(turn.outcome, Cancelled):
            self.status = "cancelled"

    def _horizon(self, wait: OpenWait, began: Position) -> Position:
        if wait.since == "start":
            return self.begun
        if isinstance(wait.since, timedelta):
            return Position(began.at - wait.since, -1)
        return began

    def pass_over(self, position: Position) -> None:
        """Everything up to here was offered to the open waits: what they refused stays refused."""
        self.since = {number: max(since, position) for number, since in self.since.items()}

    def fail(self, error: StepError, pause: timedelta | None, now: datetime) -> None:
        """Nothing of the step is kept; try again later, or leave it to a person."""
        self.attempts += 1
        self.error = error.traceback
        self.status = "retrying" if pause is not None else "quarantined"
        self.retry_at = now + pause if pause is not None else None

    def remember(self, kind: str, now: datetime, **detail: Any) -> None:
        """Append to the history, with the snapshot as it is now."""
        state = dict(self.live_view().state)
        seq = len(self.history) + 1
        self.history.append(HistoryEntry(seq=seq, kind=kind, at=now, detail=detail, state=state))
        self.saved.append(
            Saved(
                snapshot=self.snapshot,
                status=self.status,
                since=dict(self.since),
                consumed=frozenset(self.consumed),
            )
        )

    def restore(self, saved: Saved) -> None:
        """Go back to a saved snapshot and its waits."""
        assert saved.snapshot is not None
        self.snapshot, self.since = saved.snapshot, dict(saved.since)
        self.waits = list(open_waits(saved.snapshot))
        self.status, self.error, self.attempts, self.retry_at = "waiting", None, 0, None
        self.requested, self.result = [], None

    def live_view(self) -> View:
        if self.snapshot is None:
            return View(state={}, frames=())
        return view(self.program, self.snapshot)

    @property
    def starting(self) -> bool:
        return any(isinstance(event, Start) for event in self.requested)


class InstanceView:
    """An instance as a test sees it; always as it is now."""

    def __init__(self, record: Record) -> None:
        self._record = record

    def __repr__(self) -> str:
        record = self._record
        return f"<{record.program.name} {record.number} {record.status}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, InstanceView) and other._record is self._record

    def __hash__(self) -> int:
        return id(self._record)

    @property
    def id(self) -> int:
        return self._record.number

    @property
    def workflow(self) -> str:
        return self._record.program.name

    @property
    def version(self) -> str:
        return self._record.program.label

    @property
    def key(self) -> str | None:
        return self._record.key

    @property
    def status(self) -> str:
        return self._record.status

    @property
    def result(self) -> Any:
        """What ``run`` returned."""
        return self._record.result

    @property
    def error(self) -> str | None:
        """The reason of a failure, or the traceback of the step that keeps failing."""
        return self._record.error

    @property
    def state(self) -> Mapping[str, Any]:
        """The declared fields, live values."""
        return self._record.live_view().state

    @property
    def locals(self) -> Mapping[str, Any]:
        """Variables of the innermost frame of the first branch."""
        return self._record.live_view().locals

    @property
    def frames(self) -> tuple[FrameView, ...]:
        """All suspended calls, by branch, outermost first."""
        return self._record.live_view().frames

    @property
    def waits(self) -> list[WaitView]:
        """The open waits, oldest first."""
        return [_wait_view(wait) for wait in self._record.waits] if self._record.live else []

    @property
    def history(self) -> list[HistoryEntry]:
        return list(self._record.history)


def _wait_view(wait: OpenWait) -> WaitView:
    words = Criteria.decode(wait.criteria).describe() if wait.criteria is not None else None
    return WaitView(
        number=wait.number,
        name=wait.name,
        kind=wait.kind,
        signal=wait.signal,
        criteria=words,
        due_at=wait.due_at,
        line=wait.line,
    )
