"""Backoff."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from resumable.client.pace import LONGEST_RETRY_AFTER, Pace, delay

jitters = st.floats(0, 1, exclude_max=True)


def test_delays_double_up_to_the_slowest() -> None:
    pace = Pace(first_retry=1.0, slowest_retry=10.0)
    assert [delay(pace, failures, 0.999999) // 0.99999 for failures in range(1, 6)] == [1, 2, 4, 8, 10]


@given(failures=st.integers(1, 10**6), jitter=jitters)
def test_half_of_a_delay_is_chance_and_it_is_never_too_long(failures: int, jitter: float) -> None:
    pace = Pace()
    whole = min(pace.slowest_retry, pace.first_retry * 2.0 ** min(failures - 1, 100))
    assert whole / 2 <= delay(pace, failures, jitter) <= whole


@given(asked=st.floats(0, 10**9), jitter=jitters)
def test_what_the_engine_asks_for_is_waited_out(asked: float, jitter: float) -> None:
    assert delay(Pace(), 1, jitter, asked) >= min(asked, LONGEST_RETRY_AFTER)
    assert delay(Pace(), 1, jitter, asked) <= LONGEST_RETRY_AFTER + Pace().first_retry
