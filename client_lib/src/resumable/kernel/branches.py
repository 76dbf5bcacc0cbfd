"""Branches: the stacks of one instance that wait side by side, and the groups they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resumable.functions import Invocation
from resumable.groups import Done, Kind, Results
from resumable.kernel.frames import Request, Stack
from resumable.kernel.snapshot import Part

if TYPE_CHECKING:
    from resumable.kernel.saving import SavedStack
    from resumable.scopes import Scope


@dataclass(frozen=True, slots=True)
class Returned:
    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    error: BaseException


@dataclass(frozen=True, slots=True)
class Asked:
    request: Request


#: How one step of a branch ended.
Step = Returned | Raised | Asked


@dataclass(slots=True, eq=False)
class Branch:
    """One stack of frames, or a bare wait that is a member of a group.

    ``wait`` and ``waits_for`` are the number of the wait or of the group it is
    suspended on. Number 0 is the workflow's ``run``.
    """

    number: int
    group: int | None = None
    place: int = 0
    wait: int | None = None
    waits_for: int | None = None
    saved: SavedStack | None = None
    stack: Stack | None = None
    scopes: list[Scope] = field(default_factory=list)
    scope_names: list[str] = field(default_factory=list)

    @property
    def has_frames(self) -> bool:
        return self.stack is not None or self.saved is not None

    def begin(self, invocation: Invocation) -> None:
        self.stack = Stack.begin(invocation, self)

    def step(self, value: object = None, error: BaseException | None = None) -> Step:
        """Run the stack to its next request or its end."""
        assert self.stack is not None
        try:
            request = self.stack.send(value) if error is None else self.stack.throw(error)
        except StopIteration as stop:
            self.stack = None
            return Returned(stop.value)
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as raised:  # handed to whoever awaits this branch
            self.stack = None
            return Raised(raised)
        return Asked(request)

    def open_scope(self, scope: Scope) -> Scope:
        self.scopes.append(scope)
        self.scope_names.append(scope.name)
        return scope

    def close_scope(self, scope: Scope) -> None:
        index = self.scopes.index(scope)
        del self.scopes[index], self.scope_names[index]


@dataclass(slots=True, eq=False)
class GroupState:
    """A group in progress. ``members`` maps the branches still running to their places."""

    number: int
    owner: int
    kind: Kind
    need: int
    size: int
    names: tuple[str, ...] | None
    members: dict[int, int] = field(default_factory=dict)
    results: list[tuple[int, Part]] = field(default_factory=list)
    #: Of a stream: whether its owner waits for the next member.
    waiting: bool = False
    error: Part | None = None

    @property
    def satisfied(self) -> bool:
        return self.kind != "stream" and len(self.results) >= self.need

    def name_of(self, place: int) -> str | None:
        return self.names[place] if self.names else None

    def done(self, place: int, value: Any) -> Done[Any]:
        return Done(index=place, name=self.name_of(place), value=value)

    def value(self, live: dict[int, Any]) -> Any:
        """What the await of the group gives, from results by place, in order of completion."""
        if self.kind == "limit":
            return live[0]
        if self.kind == "all":
            ordered = [live[place] for place in range(self.size)]
            if self.names is None:
                return tuple(ordered)
            return Results(dict(zip(self.names, ordered, strict=True)))
        done = [self.done(place, value) for place, value in live.items()]
        return done[0] if self.kind == "any" else done
