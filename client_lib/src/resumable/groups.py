"""Waiting for several things at once: groups of waits, sub-functions, timers and other groups."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from collections.abc import Awaitable as Aw
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Generic, Literal, TypeVar, overload

from resumable.durations import duration
from resumable.waits import Awaitable, Timer

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")

#: ``limit`` is a group of one member and a timer.
Kind = Literal["all", "any", "some", "stream", "limit"]


@dataclass(frozen=True, kw_only=True)
class Done(Generic[T]):
    """One finished member of a group: its place, its name (if given) and its result."""

    index: int
    name: str | None
    value: T


@dataclass(frozen=True)
class Results:
    """The results of ``all_of(name=…, …)``, as attributes."""

    _results: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        results = self.__dict__.get("_results", {})
        try:
            return results[name]
        except KeyError:
            raise AttributeError(f"the group has no member {name!r}, only {', '.join(results)}") from None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._results.values())


@dataclass(frozen=True, kw_only=True)
class Group(Awaitable[T]):
    """Several awaitables that run side by side as branches of one instance."""

    kind: Kind
    members: tuple[Any, ...]
    names: tuple[str, ...] | None
    need: int
    title: str | None = None

    def within(
        self,
        length: timedelta | None = None,
        *,
        days: float | None = None,
        hours: float | None = None,
        minutes: float | None = None,
        seconds: float | None = None,
    ) -> Group[T]:
        """Cancel the group and raise ``WaitTimeout`` when this much time has passed."""
        limit = duration(length, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return limited(self, limit)


@dataclass(eq=False)
class Stream:
    """An open ``as_completed`` group; ``number`` is given when the loop begins."""

    group: Group[Any]
    number: int | None = None


@dataclass(frozen=True)
class AsCompleted(Generic[T]):
    """What ``async for`` loops over; only a resumable function can."""

    group: Group[T]

    def __aiter__(self) -> AsyncIterator[Done[T]]:
        raise TypeError("as_completed() can only be looped over in a resumable function")


def _group(kind: Kind, need: int | None, aws: tuple[Any, ...], named: dict[str, Any]) -> Group[Any]:
    title = _TITLES[kind]
    if aws and named:
        raise TypeError(f"{title}() takes members by position or by name, not both")
    members = aws or tuple(named.values())
    if not members and kind == "any":
        raise ValueError("any_of() of nothing can never complete")
    count = len(members) if need is None else need
    if count > len(members):
        raise ValueError(f"{title}({count}, …) has only {len(members)} members: it can never complete")
    for place, member in enumerate(members):
        if not isinstance(member, Awaitable):
            name = list(named)[place] if named else str(place)
            raise TypeError(f"member {name} of {title}() is a {type(member).__name__}, not something to await")
    return Group(kind=kind, members=members, names=tuple(named) if named else None, need=count)


_TITLES: Final = {"all": "all_of", "any": "any_of", "some": "at_least", "stream": "as_completed", "limit": "wait_for"}


@overload
def all_of(first: Aw[T1], second: Aw[T2], /) -> Group[tuple[T1, T2]]: ...
@overload
def all_of(first: Aw[T1], second: Aw[T2], third: Aw[T3], /) -> Group[tuple[T1, T2, T3]]: ...
@overload
def all_of(*aws: Aw[T]) -> Group[tuple[T, ...]]: ...
@overload
def all_of(**aws: Aw[Any]) -> Group[Any]: ...
def all_of(*aws: Any, **named: Any) -> Any:
    """Wait for all: a tuple of results, or an object with the names as attributes."""
    return _group("all", None, aws, named)


@overload
def any_of(*aws: Aw[T]) -> Group[Done[T]]: ...
@overload
def any_of(**aws: Aw[Any]) -> Group[Done[Any]]: ...
def any_of(*aws: Any, **named: Any) -> Any:
    """Wait for the first, as ``.index .name .value``; the others are cancelled."""
    return _group("any", 1, aws, named)


@overload
def at_least(n: int, /, *aws: Aw[T]) -> Group[list[Done[T]]]: ...
@overload
def at_least(n: int, /, **aws: Aw[Any]) -> Group[list[Done[Any]]]: ...
def at_least(n: int, /, *aws: Any, **named: Any) -> Any:
    """Wait for the first ``n``, in order of completion; the others are cancelled."""
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise TypeError(f"at_least() takes a number of members first, not {n!r}")
    return _group("some", n, aws, named)


@overload
def as_completed(*aws: Aw[T]) -> AsCompleted[T]: ...
@overload
def as_completed(**aws: Aw[Any]) -> AsCompleted[Any]: ...
def as_completed(*aws: Any, **named: Any) -> Any:
    """``async for done in as_completed(…)``: each member as it completes.

    Leaving the loop cancels the members that are still waiting.
    """
    return AsCompleted(_group("stream", None, aws, named))


def wait_for(
    aw: Aw[T],
    length: timedelta | None = None,
    *,
    days: float | None = None,
    hours: float | None = None,
    minutes: float | None = None,
    seconds: float | None = None,
) -> Group[T]:
    """A time limit for anything that can be awaited: ``WaitTimeout`` when it is over."""
    limit = duration(length, days=days, hours=hours, minutes=minutes, seconds=seconds)
    return limited(aw, limit)


def limited(aw: Any, limit: timedelta) -> Group[Any]:
    """A group of one member that a timer cuts short."""
    if not isinstance(aw, Awaitable):
        raise TypeError(f"wait_for() takes something to await, not a {type(aw).__name__}")
    return Group(kind="limit", members=(aw, Timer(after=limit)), names=None, need=1)
