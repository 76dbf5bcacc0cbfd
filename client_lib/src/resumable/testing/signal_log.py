"""The shell's signals, in the order they were sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from resumable.errors import UidConflict


class Position(NamedTuple):
    """A place in the log: when something was received, and after which signal."""

    at: datetime
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSignal:
    """One signal as the engine would keep it: name and JSON payload.

    ``takers`` holds, per workflow, the one instance a ``deliver="one"`` signal went to.
    """

    seq: int
    name: str
    payload: dict[str, Any]
    received_at: datetime
    deliver: str
    takers: dict[str, int] = field(default_factory=dict)

    @property
    def position(self) -> Position:
        return Position(self.received_at, self.seq)


class SignalLog:
    """Append-only; refuses a uid that comes again with another payload."""

    def __init__(self) -> None:
        self._by_name: dict[str, list[LoggedSignal]] = defaultdict(list)
        self._uids: dict[tuple[str | None, str], bytes] = {}
        self.last = 0

    def append(
        self,
        name: str,
        payload: dict[str, Any],
        received_at: datetime,
        *,
        deliver: str,
        uid: str | None,
        service: str | None,
    ) -> LoggedSignal | None:
        """The new entry, or None for a duplicate.

        :raises UidConflict: the uid was used with another payload.
        """
        if uid is not None:
            digest = msgspec.json.encode([name, payload], order="deterministic")
            known = self._uids.setdefault((service, uid), digest)
            if known != digest:
                raise UidConflict(f"uid {uid!r} of {service or 'this service'} names another signal")
            if known is not digest:
                return None
        self.last += 1
        signal = LoggedSignal(seq=self.last, name=name, payload=payload, received_at=received_at, deliver=deliver)
        self._by_name[name].append(signal)
        return signal

    def after(self, name: str, position: Position) -> Iterator[LoggedSignal]:
        """Signals of a name received after a position, oldest first."""
        return (signal for signal in self._by_name[name] if signal.position > position)
