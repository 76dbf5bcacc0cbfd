"""The words of one turn: what wakes an instance, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from resumable.criteria import Criteria, KeyFields
from resumable.signal import Signal

WaitKind = Literal["signal", "timer"]
CloseReason = Literal["consumed", "fired", "timeout", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Begin the instance: ``run`` is called with these arguments."""

    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Complete an open wait with a signal that meets its criteria."""

    wait: int
    signal: Signal


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire:
    """A wait's moment has come: a timer ends, the time limit of a signal is over."""

    wait: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Cancel the whole instance, or all open scopes of a name."""

    scope: str | None = None


Event = Start | Deliver | Fire | Cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenWait:
    """One thing the instance is suspended on, complete enough to be restored from its snapshot.

    ``due_at`` is when a timer fires or a signal's time limit ends; ``since``
    how far back it looks beyond its step; ``where`` the workflow's method that
    must also agree; ``line`` and ``function`` the place in the source.
    """

    number: int
    kind: WaitKind
    name: str | None
    signal: str | None
    criteria: Any
    where: str | None
    since: timedelta | Literal["start"] | None
    due_at: datetime | None
    line: int
    function: str
    branch: int

    @property
    def key_fields(self) -> KeyFields:
        return self._criteria().key_fields

    @property
    def key_hash(self) -> int:
        return self._criteria().key_hash()

    def _criteria(self) -> Criteria:
        return Criteria.decode(self.criteria) if self.criteria else _EVERYTHING


_EVERYTHING = Criteria.build(None)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedWait:
    """A wait that is over. One that opened and closed within the turn is not reported."""

    number: int
    reason: CloseReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """``run`` returned; ``result`` is JSON in the snapshot's encoding."""

    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The author raised ``WorkflowFailed``."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The instance was cancelled and has finished cleaning up."""


Outcome = Completed | Failed | Cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one turn did. ``outcome`` is None while the instance waits.

    ``state`` is the declared fields in the snapshot's encoding; ``commands``
    are effects to carry out once the turn is saved.
    """

    snapshot: str
    opened: tuple[OpenWait, ...]
    closed: tuple[ClosedWait, ...]
    commands: tuple[object, ...]
    outcome: Outcome | None
    state: Mapping[str, Any]


class StepError(Exception):
    """A step raised; nothing of the turn is kept. ``fault`` says how to retry it."""

    def __init__(self, error: BaseException, traceback: str, fault: str) -> None:
        super().__init__(f"{type(error).__name__}: {error}")
        self.error = error
        self.traceback = traceback
        self.fault = fault
