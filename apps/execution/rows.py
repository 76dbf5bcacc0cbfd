"""What is read and written by the batch. Tuples, because a batch makes thousands of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple


class Position(NamedTuple):
    """A point of the log. With a signal, just after it; without one (0), at the moment, which counts as after it."""

    at: datetime
    signal: int

    def before(self, signal: SignalRow | DeliveryRow | NewInstance) -> bool:
        """Whether the signal came after this point."""
        return signal.signal_id > self.signal if self.signal else signal.received_at >= self.at


class SignalRow(NamedTuple):
    signal_id: int
    tenant_id: int
    name: str
    payload: str
    received_at: datetime


class Probe(NamedTuple):
    """The match key of one signal under one template. `place` is the signal's place in its batch."""

    place: int
    template_id: int
    key_hash: int


class Candidate(NamedTuple):
    """An open wait whose key equals a signal's."""

    place: int
    wait_id: int
    instance_id: int
    template_id: int
    criteria: Any
    since_at: datetime
    since_signal: int

    @property
    def since(self) -> Position:
        return Position(self.since_at, self.since_signal)


class InstanceRow(NamedTuple):
    """An instance, locked, as a turn needs it."""

    id: int
    tenant_id: int
    workflow_id: int
    version_id: int
    public_id: Any
    key: str
    status: str
    revision: int
    snapshot: str
    cancelling: bool
    attempts: int
    crashes: int
    alone: bool
    started_at: datetime
    started_signal: int

    @property
    def started(self) -> Position:
        return Position(self.started_at, self.started_signal)


class DeliveryRow(NamedTuple):
    """A signal that was given to an instance and is to be applied."""

    id: int
    signal_id: int
    instance_id: int
    name: str
    payload: str
    received_at: datetime

    @property
    def position(self) -> Position:
        return Position(self.received_at, self.signal_id)


class WaitRow(NamedTuple):
    """An open wait."""

    id: int
    instance_id: int
    number: int
    kind: str
    signal: str
    criteria: Any
    where: str
    due_at: datetime | None
    since_at: datetime
    since_signal: int

    @property
    def since(self) -> Position:
        return Position(self.since_at, self.since_signal)


class InstructionRow(NamedTuple):
    id: int
    instance_id: int
    kind: str
    args: Any
    scope: str
    actor: str
    reason: str
    created_at: datetime
    after_signal: int

    @property
    def position(self) -> Position:
        return Position(self.created_at, self.after_signal)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewInstance:
    """An instance to be created for a start signal."""

    tenant_id: int
    workflow_id: int
    version_id: int
    key: str | None
    signal_id: int
    received_at: datetime


@dataclass(slots=True, kw_only=True)
class Loaded:
    """A claimed batch: the instances that could be locked, and by instance what is to be applied to each."""

    instances: list[InstanceRow]
    deliveries: dict[int, list[DeliveryRow]]
    waits: dict[int, list[WaitRow]]
    instructions: dict[int, list[InstructionRow]]

    def cut(self, limit: int) -> int | None:
        """The instance whose deliveries may go on beyond the `limit` that was loaded; those after it have none here."""
        whole = sum(len(each) for each in self.deliveries.values()) < limit
        return None if whole else max(self.deliveries, default=None)


@dataclass(slots=True, kw_only=True)
class Changes:
    """Everything a batch of turns writes, as rows for the columns named in `store.portable`."""

    instances: list[tuple[Any, ...]] = field(default_factory=list)
    history: list[tuple[Any, ...]] = field(default_factory=list)
    opened: list[tuple[Any, ...]] = field(default_factory=list)
    closed: list[int] = field(default_factory=list)
    consumed: list[tuple[int, str, int | None]] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    owed: dict[str, list[Any]] = field(default_factory=dict)
