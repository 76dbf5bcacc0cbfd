"""Why a step failed, and when it is tried again. Pure; the chance of the jitter is passed in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

#: ``crash`` is a step that took its worker with it.
Fault = Literal["transient", "permanent", "crash"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """``tries`` in all; the first pause in seconds, doubled each time up to ``longest``."""

    tries: int
    first: float
    longest: float


POLICIES: Final[dict[str, Policy]] = {
    # Networks and disks come back: about an hour and a half in all.
    "transient": Policy(tries=12, first=1.0, longest=900.0),
    # A bug seldom mends itself; a few tries bridge a deployment in progress.
    "permanent": Policy(tries=3, first=1.0, longest=60.0),
    "crash": Policy(tries=3, first=1.0, longest=60.0),
}


def fault_of(error: BaseException) -> Fault:
    """``transient`` for errors of the outside world, ``permanent`` for all others."""
    return "transient" if isinstance(error, OSError) else "permanent"


def next_try(fault: str, attempt: int, jitter: float = 0.0) -> timedelta | None:
    """The pause before the next try, or None: quarantine.

    :param attempt: how often the step has failed, from 1.
    :param jitter: a random number from 0 to 1; adds up to half of the pause.
    """
    policy = POLICIES[fault]
    if attempt >= policy.tries:
        return None
    pause = min(policy.longest, policy.first * 2.0 ** (attempt - 1))
    return timedelta(seconds=pause * (1 + jitter / 2))
