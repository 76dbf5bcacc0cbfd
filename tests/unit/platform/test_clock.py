from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from apps.lib import clock, ids
from tests.conftest import Clock


def test_the_clock_is_in_utc() -> None:
    before = datetime.now(UTC)  # noqa: TID251 - what the clock is compared with

    assert before <= clock.now() <= before + timedelta(seconds=5)
    assert clock.now().tzinfo is UTC


def test_a_test_moves_the_clock(clock: Clock) -> None:
    from apps.lib.clock import now

    began = now()

    assert now() == began
    clock.advance(days=3)
    assert now() - began == timedelta(days=3)


def test_a_token_can_be_an_argument_of_a_command() -> None:
    tokens = {ids.token() for _ in range(500)}

    assert len(tokens) == 500
    assert all(re.fullmatch("[0-9a-f]{64}", token) for token in tokens)


def test_ids_sort_by_time() -> None:
    made = [ids.uuid7() for _ in range(100)]

    assert len(set(made)) == 100
    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {"specified in RFC 4122"}
    assert [each.int >> 80 for each in made] == sorted(each.int >> 80 for each in made)
