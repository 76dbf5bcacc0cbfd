"""What one instance can be suspended on: a signal, or a moment."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Generic, Literal, TypeVar

from resumable.compiler.names import mangle
from resumable.criteria import Criteria
from resumable.durations import duration
from resumable.errors import NotResumable

if TYPE_CHECKING:
    from resumable.signal import Signal

    S_co = TypeVar("S_co", bound=Signal, covariant=True)
else:
    S_co = TypeVar("S_co", covariant=True)

T_co = TypeVar("T_co", covariant=True)

#: How far back a wait looks: not past its step, a length of time, or to the instance's start.
Since = timedelta | Literal["start"] | None

_OUTSIDE: Final = (
    "a wait was awaited outside a resumable function: await it in an `async def` of a "
    "Workflow, or in a helper with @resumable"
)


class Awaitable(Generic[T_co]):
    """Something only a resumable function can await; it describes, it does not run."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, T_co]:
        raise NotResumable(_OUTSIDE)


@dataclass(frozen=True, kw_only=True)
class Match(Awaitable[S_co], Generic[S_co]):
    """A wait for one signal that meets the criteria."""

    signal: type[S_co]
    criteria: Criteria
    predicate: str | None = None
    limit: timedelta | None = None
    lookback: Since = None
    title: str | None = None

    def where(self, predicate: Callable[[S_co], bool]) -> Match[S_co]:
        """Also demand ``predicate(signal)``: a pure method of the workflow.

        It runs against the state as it is when a signal arrives, not as it was
        when the wait was made.
        """
        name = _method_name(predicate)
        if name is None:
            raise TypeError(
                f"where() takes a method of the workflow, as in where(self.method), not {predicate!r}: "
                "a wait outlives the process, so its predicate must have a name"
            )
        if hasattr(predicate, "__resumable_function__"):
            raise TypeError(f"where() takes a plain method, and {name} is `async def`: a predicate cannot wait")
        return replace(self, predicate=name)

    def within(
        self,
        length: timedelta | None = None,
        *,
        days: float | None = None,
        hours: float | None = None,
        minutes: float | None = None,
        seconds: float | None = None,
    ) -> Match[S_co]:
        """Raise ``WaitTimeout`` at the await when this much time has passed."""
        limit = duration(length, days=days, hours=hours, minutes=minutes, seconds=seconds)
        return replace(self, limit=limit)

    def since(self, window: timedelta | Literal["start"]) -> Match[S_co]:
        """Also accept signals received before this step began.

        ``window`` reaches back from the step's begin, or to the instance's ``"start"``.
        """
        if window != "start":
            window = duration(window)
        return replace(self, lookback=window)

    def named(self, title: str) -> Match[S_co]:
        """Name the wait in history and pages."""
        return replace(self, title=title)


def _method_name(predicate: Any) -> str | None:
    """The name that leads to a bound method on its workflow, private ones as they are stored."""
    owner, name = getattr(predicate, "__self__", None), getattr(predicate, "__name__", "")
    if not hasattr(type(owner), "__resumable__"):
        return None
    names = (mangle(name, cls.__name__) for cls in type(owner).__mro__)
    return next((each for each in names if getattr(owner, each, None) == predicate), None)


@dataclass(frozen=True, kw_only=True)
class Timer(Awaitable[None]):
    """A durable timer: after a length of time, or at a moment."""

    after: timedelta | None = None
    at: datetime | None = None
    title: str | None = None

    def named(self, title: str) -> Timer:
        """Name the timer in history and pages."""
        return replace(self, title=title)

    def due(self, now: datetime) -> datetime:
        """The moment it fires when it begins at ``now``."""
        if self.at is not None:
            return self.at
        assert self.after is not None
        return now + self.after


def sleep(
    length: timedelta | None = None,
    *,
    days: float | None = None,
    hours: float | None = None,
    minutes: float | None = None,
    seconds: float | None = None,
) -> Timer:
    """Wait for a length of time; the instance needs no worker meanwhile."""
    return Timer(after=duration(length, days=days, hours=hours, minutes=minutes, seconds=seconds))


def sleep_until(moment: datetime) -> Timer:
    """Wait until a moment.

    :raises ValueError: a moment without a time zone.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"sleep_until() takes a datetime, not {moment!r}")
    if moment.tzinfo is None:
        raise ValueError(f"sleep_until({moment.isoformat()}) needs a time zone, for instance tzinfo=UTC")
    return Timer(at=moment)
