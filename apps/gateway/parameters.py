"""Query parameters, read without leniency: what cannot be meant is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import msgspec

from apps.gateway.problems import InvalidParameter

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.http import QueryDict

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
# `$` would let a line feed through at the end.
Uid = Annotated[str, msgspec.Meta(pattern=r"^[!-~]{1,200}\Z")]


def text(query: QueryDict, name: str) -> str | None:
    """The parameter; None when it is absent or empty."""
    value = query.get(name) or None
    if value is not None and "\x00" in value:
        raise InvalidParameter(f"{name} holds the character NUL.", parameter=name)
    return value


def instant(query: QueryDict, name: str) -> datetime | None:
    """An RFC 3339 moment with its offset."""
    value = text(query, name)
    if value is None:
        return None
    # A plus that was not escaped arrives as a space.
    try:
        return as_instant(value.replace(" ", "+"))
    except ValueError as error:
        raise InvalidParameter(f"{name}: {error}", parameter=name) from None


def as_instant(value: object) -> datetime:
    """The moment in UTC. Raises ValueError for anything but an RFC 3339 moment with its offset."""
    return in_utc(msgspec.convert(value, Instant))


def in_utc(moment: datetime) -> datetime:
    """PostgreSQL knows offsets of 16 hours at most, Python of 24. Raises ValueError at the ends of the calendar."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("the moment is out of range") from None


def choices(query: QueryDict, name: str, allowed: Collection[str]) -> list[str]:
    """A comma separated list; empty when the parameter is absent."""
    value = text(query, name)
    chosen = value.split(",") if value else []
    unknown = sorted(set(chosen) - set(allowed))
    if unknown:
        detail = f"{name}: {', '.join(unknown)} is none of {', '.join(allowed)}."
        raise InvalidParameter(detail, parameter=name)
    return chosen


def number(query: QueryDict, name: str, *, default: int, most: int) -> int:
    value = text(query, name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 10 and 1 <= int(value) <= most):
        raise InvalidParameter(f"{name} must be a whole number from 1 to {most}.", parameter=name)
    return int(value)
