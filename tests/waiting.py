"""Waiting for what other processes and threads do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.02


def until(condition: Callable[[], T], *, seconds: float = 20.0, what: str = "") -> T:
    """What `condition` returns as soon as it is true; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds} s: {what or condition}"
        time.sleep(PAUSE_SECONDS)  # noqa: TID251 - here is the one place that waits
