"""When a schedule starts the next instance: crontab lines in UTC, and intervals."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final = {name: i for i, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}
_DAYS: Final = {name: i for i, name in enumerate("sun mon tue wed thu fri sat".split())}

#: No crontab line is due less often than once in this many days (29 February).
_HORIZON: Final = 366 * 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Crontab:
    """The five fields of a crontab line, as sets of numbers."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool
    any_weekday: bool

    @classmethod
    def parse(cls, line: str) -> Crontab:
        """
        :raises ValueError: not five fields, or a number out of range.
        """
        fields = line.split()
        if len(fields) != 5:
            raise ValueError(f"a crontab line has five fields (minute hour day month weekday), not {line!r}")
        minutes, hours, days, months, weekdays = (_field(*pair) for pair in zip(fields, _RANGES, strict=True))
        return cls(
            minutes=minutes,
            hours=hours,
            days=days,
            months=months,
            weekdays=frozenset(day % 7 for day in weekdays),
            any_day=fields[2].startswith("*"),
            any_weekday=fields[4].startswith("*"),
        )

    def fits_day(self, moment: datetime) -> bool:
        if moment.month not in self.months:
            return False
        day = moment.day in self.days
        weekday = moment.isoweekday() % 7 in self.weekdays
        # As cron does: two restricted day fields are alternatives.
        return (day and weekday) if self.any_day or self.any_weekday else (day or weekday)


def next_after(schedule: str | timedelta, moment: datetime, begun: datetime) -> datetime:
    """The first moment after ``moment`` at which the schedule starts an instance.

    :param begun: when the schedule was deployed; the first interval ends one interval later.
    """
    if isinstance(schedule, timedelta):
        passed = max(0, (moment - begun) // schedule)
        return begun + schedule * (passed + 1)
    return _next_of_crontab(Crontab.parse(schedule), moment.astimezone(UTC))


def _next_of_crontab(crontab: Crontab, moment: datetime) -> datetime:
    minute = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for _ in range(_HORIZON):
        if crontab.fits_day(minute):
            for hour in sorted(hour for hour in crontab.hours if hour >= minute.hour):
                least = minute.minute if hour == minute.hour else 0
                found = [value for value in sorted(crontab.minutes) if value >= least]
                if found:
                    return minute.replace(hour=hour, minute=found[0])
        minute = (minute + timedelta(days=1)).replace(hour=0, minute=0)
    raise ValueError("this crontab line is never due")


def _field(text: str, limits: tuple[int, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        low, high = limits if span == "*" else _span(span, limits, open_ended=bool(step))
        if not limits[0] <= low <= high <= limits[1] or (step and int(step) < 1):
            raise ValueError(f"{part!r} is not within {limits[0]}-{limits[1]}")
        found.update(range(low, high + 1, int(step or 1)))
    return frozenset(found)


def _span(text: str, limits: tuple[int, int], *, open_ended: bool) -> tuple[int, int]:
    low, _, high = text.partition("-")
    first = _number(low, limits)
    if high:
        return first, _number(high, limits)
    return first, limits[1] if open_ended else first


def _number(text: str, limits: tuple[int, int]) -> int:
    names = _MONTHS if limits == (1, 12) else _DAYS if limits == (0, 7) else {}
    return names[text.lower()] if text.lower() in names else int(text)
