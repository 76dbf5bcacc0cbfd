"""The engine's clock. Nothing else in the engine asks what time it is, so a test can move all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

Source = Callable[[], datetime]


def wall() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - the one place that may


_source: Source = wall


def now() -> datetime:
    """The present moment, always aware and in UTC."""
    return _source()


def set_source(source: Source) -> Source:
    """Read time from `source` from here on, in every thread; returns the source it replaces."""
    global _source
    previous, _source = _source, source
    return previous


@contextmanager
def reading(source: Source) -> Iterator[None]:
    """Read time from `source` inside the block."""
    previous = set_source(source)
    try:
        yield
    finally:
        set_source(previous)
