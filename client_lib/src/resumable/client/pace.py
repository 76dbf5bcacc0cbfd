"""How fast the dispatcher goes, and how it slows down."""

from __future__ import annotations

from dataclasses import dataclass

#: Seconds: a ``Retry-After`` above this is taken as this.
LONGEST_RETRY_AFTER = 3_600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Times of the dispatcher, all in seconds.

    ``lease`` must be longer than the slowest request (``answer``) by far: a lane
    whose lease is over is taken over by another process, and sent twice.
    """

    #: First delay after a failure; doubled at each further one.
    first_retry: float = 0.5
    #: Longest delay between two tries.
    slowest_retry: float = 60.0
    #: Shortest time between two requests that are not full. The first push after a pause goes
    #: out at once; in a stream of them a request each would cost more than the pushes do.
    gap: float = 0.01
    #: Looks into the file this often without being woken.
    poll: float = 30.0
    #: A process that shows no sign of life for so long loses its lane.
    lease: float = 120.0
    #: Longest time to connect to the engine.
    connect: float = 5.0
    #: Longest time to wait for an answer.
    answer: float = 30.0
    #: Sent and dead items are looked through for old ones this often.
    prune: float = 600.0
    #: An item that makes the engine fail (500) when sent alone is dead-lettered after this.
    poison: float = 3_600.0


def delay(pace: Pace, failures: int, jitter: float, retry_after: float | None = None) -> float:
    """Seconds until the next try after ``failures`` failures in a row.

    :param jitter: a random number of [0, 1): it spreads clients that failed together.
    :param retry_after: what the engine asked for; waited out in full.
    """
    if retry_after is not None:
        return min(retry_after, LONGEST_RETRY_AFTER) + jitter * pace.first_retry
    whole = min(pace.slowest_retry, pace.first_retry * 2.0 ** min(failures - 1, 30))
    return float(whole * (0.5 + 0.5 * jitter))
