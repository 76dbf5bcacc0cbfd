"""What a doorbell sets going: one stage, batch after batch, for a bounded time."""

from __future__ import annotations

import time
from collections.abc import Callable

from apps.execution.services import match, resume
from apps.lib.doorbell import answered

#: After this a stage gives its worker back and rings for itself, so that no stage starves another.
SECONDS = 1.0


def run_match() -> None:
    """Match while the log goes on."""
    answered("signals.match")
    repeat(lambda: match.match().more)


def run_resume() -> None:
    """Step while batches are full."""
    answered("instances.resume")
    repeat(lambda: resume.resume().more)


def repeat(batch: Callable[[], bool]) -> None:
    # Each batch that leaves work rings; so stopping here loses nothing.
    until = time.monotonic() + SECONDS
    while batch() and time.monotonic() < until:
        pass
