"""What the rule stories need of a world: the shell is one, the engine on each database another.

Workflows and signals go by name, because each world loads their source its own way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from resumable import Workflow
from resumable.kernel import Program
from resumable.testing import Shell

#: Where every world's clock begins.
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class WaitSeen(Protocol):
    """One open wait."""

    @property
    def name(self) -> str | None: ...
    @property
    def kind(self) -> str: ...
    @property
    def signal(self) -> str | None: ...
    @property
    def due_at(self) -> datetime | None: ...
    @property
    def line(self) -> int: ...


class EntrySeen(Protocol):
    """One history entry."""

    @property
    def seq(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def detail(self) -> Mapping[str, Any]: ...


class InstanceSeen(Protocol):
    """An instance as it is now, read anew at each look. ``state`` and ``result`` are live values."""

    @property
    def status(self) -> str: ...
    @property
    def key(self) -> str | None: ...
    @property
    def result(self) -> Any: ...
    @property
    def error(self) -> str | None: ...
    @property
    def state(self) -> Mapping[str, Any]: ...
    @property
    def waits(self) -> Sequence[WaitSeen]: ...
    @property
    def history(self) -> Sequence[EntrySeen]: ...


class SentSeen(Protocol):
    """What became of a signal once the world came to rest."""

    @property
    def started(self) -> Sequence[InstanceSeen]: ...
    @property
    def resumed(self) -> Sequence[InstanceSeen]: ...
    @property
    def matched(self) -> bool: ...
    @property
    def duplicate(self) -> bool: ...


class World(Protocol):
    """A running engine with ``workflows/`` loaded, at rest after every call.

    Errors: ``send`` raises what has code ``uid_conflict`` for a reused uid,
    ``start`` ``key_in_use`` for a live key, operator verbs ``illegal_state``;
    :func:`code_of` reads it.
    """

    def send(
        self, name: str, payload: Mapping[str, Any], *, uid: str | None = None, service: str | None = None
    ) -> SentSeen: ...
    def start(self, workflow: str, *args: Any, key: str | None = None) -> InstanceSeen: ...
    def instances(self, workflow: str) -> Sequence[InstanceSeen]: ...
    def advance(self, **length: float) -> None: ...
    def restart(self) -> None: ...
    def pause(self, instance: Any, *, reason: str = "") -> None: ...
    def resume(self, instance: Any, *, reason: str = "") -> None: ...
    def retry(self, instance: Any, *, reason: str = "") -> None: ...
    def cancel(self, instance: Any, *, scope: str | None = None, reason: str = "") -> None: ...
    def rewind(self, instance: Any, to: int, *, redeliver: bool = False, reason: str = "") -> None: ...
    def patch(
        self,
        instance: Any,
        *,
        state: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None: ...


def code_of(call: Callable[[], object]) -> str | None:
    """The stable code of the error that a call raises, or None."""
    try:
        call()
    except Exception as error:  # each world has its own classes
        return getattr(error, "code", type(error).__name__)
    return None


class ShellWorld:
    """The test shell behind names."""

    def __init__(self) -> None:
        from tests.rules.workflows import stories

        found = {name: value for name, value in vars(stories).items() if isinstance(value, type)}
        self._workflows: dict[str, type[Workflow]] = {
            name: cls for name, cls in found.items() if issubclass(cls, Workflow) and cls is not Workflow
        }
        self._shell = Shell(*self._workflows.values(), now=BEGIN)
        self.send = self._shell.send
        self.advance = self._shell.advance
        self.restart = self._shell.restart
        self.pause, self.resume, self.retry = self._shell.pause, self._shell.resume, self._shell.retry
        self.cancel, self.rewind, self.patch = self._shell.cancel, self._shell.rewind, self._shell.patch

    def start(self, workflow: str, *args: Any, key: str | None = None) -> InstanceSeen:
        cls = self._workflows[workflow]
        return self._shell.start(cls, *Program(cls).convert_args(list(args)), key=key)

    def instances(self, workflow: str) -> Sequence[InstanceSeen]:
        return self._shell.instances(self._workflows[workflow])
