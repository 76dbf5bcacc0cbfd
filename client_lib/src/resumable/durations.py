"""Lengths of time as authors write them: a timedelta, or days, hours, minutes, seconds."""

from __future__ import annotations

from datetime import timedelta


def duration(
    length: timedelta | None = None,
    *,
    days: float | None = None,
    hours: float | None = None,
    minutes: float | None = None,
    seconds: float | None = None,
) -> timedelta:
    """One length of time from either spelling.

    :raises TypeError: nothing given, or both spellings at once.
    :raises ValueError: a negative length.
    """
    units = {"days": days, "hours": hours, "minutes": minutes, "seconds": seconds}
    named = {unit: amount for unit, amount in units.items() if amount is not None}
    if (length is None) is not bool(named):
        raise TypeError("say how long, once: a timedelta, or days=, hours=, minutes=, seconds=")
    if length is None:
        length = timedelta(**named)
    if not isinstance(length, timedelta):
        raise TypeError(f"a length of time is a timedelta, or has a unit (seconds={length!r}), not {length!r}")
    if length < timedelta(0):
        raise ValueError(f"a length of time cannot be negative: {length}")
    return length
