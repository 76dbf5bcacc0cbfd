"""Crontab lines and intervals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from resumable import Workflow
from resumable.errors import DefinitionError
from resumable.schedules import Crontab, next_after

BEGUN = datetime(2026, 1, 1, 12, 30, 15, tzinfo=UTC)  # a Thursday


@pytest.mark.parametrize(
    ("schedule", "first"),
    [
        ("* * * * *", "2026-01-01T12:31"),
        ("0 9 * * 1", "2026-01-05T09:00"),
        ("0 9 * * mon-fri", "2026-01-02T09:00"),
        ("*/20 * * * *", "2026-01-01T12:40"),
        ("5/25 13 * * *", "2026-01-01T13:05"),
        ("0 0 1 * *", "2026-02-01T00:00"),
        ("0 0 29 2 *", "2028-02-29T00:00"),
        ("0 0 13 * 5", "2026-01-02T00:00"),
        ("0 0 * * 7", "2026-01-04T00:00"),
        ("30 6 1,15 jan,jul *", "2026-01-15T06:30"),
    ],
)
def test_a_crontab_line_is_next_due(schedule: str, first: str) -> None:
    assert next_after(schedule, BEGUN, BEGUN) == datetime.fromisoformat(first).replace(tzinfo=UTC)


def test_the_first_interval_ends_one_interval_after_deployment() -> None:
    first = next_after(timedelta(hours=1), BEGUN, BEGUN)
    assert first == BEGUN + timedelta(hours=1)
    assert next_after(timedelta(hours=1), first, BEGUN) == BEGUN + timedelta(hours=2)


@pytest.mark.parametrize("line", ["* * * *", "60 * * * *", "* 24 * * *", "5-1 * * * *", "*/0 * * * *"])
def test_a_wrong_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"is not within|five fields"):
        Crontab.parse(line)


@pytest.mark.parametrize("schedule", ["daily", timedelta(0), 60])
def test_a_workflow_refuses_a_schedule_that_cannot_be_kept(schedule: object) -> None:
    with pytest.raises(DefinitionError, match="schedule="):

        class Wrong(Workflow, schedule=schedule):
            async def run(self) -> None: ...
