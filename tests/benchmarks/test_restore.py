"""Restoring an instance must cost the same however long it has lived. The kernel alone, in this process."""

from __future__ import annotations

import gc
import statistics
import time
from datetime import UTC, datetime
from decimal import Decimal

from resumable.kernel import Deliver, Program, Start, advance, open_waits
from tests.benchmarks.figures import Figures
from tests.benchmarks.workflows.meters import Installed, Meter, Reading

EARLY, LATE = 10, 10_000
ROUNDS, TURNS = 21, 100
#: The two are the same work; more than this is no noise.
MOST = 1.2

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
READING = Reading(meter="M1", amount=Decimal("1.25"))


def turn(program: Program, snapshot: str) -> str:
    """Decode, restore, run to the next wait, save, encode."""
    wait = open_waits(snapshot)[0].number
    return advance(program, snapshot, [Deliver(wait=wait, signal=READING)], now=MOMENT).snapshot


def seconds(program: Program, snapshot: str) -> float:
    began = time.perf_counter()
    for _ in range(TURNS):
        turn(program, snapshot)
    return (time.perf_counter() - began) / TURNS


def test_a_turn_costs_the_same_at_step_10_and_at_step_10_000(figures: Figures) -> None:
    program = Program(Meter)
    snapshot = advance(program, None, [Start(args=(Installed(meter="M1"),))], now=MOMENT).snapshot
    kept = {}
    for step in range(1, LATE + 1):
        snapshot = turn(program, snapshot)
        if step in (EARLY, LATE):
            kept[step] = snapshot
    gc.disable()
    try:
        # By turns, so that what slows the machine down slows down both.
        pairs = [(seconds(program, kept[EARLY]), seconds(program, kept[LATE])) for _ in range(ROUNDS)]
    finally:
        gc.enable()
    early, late = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    figures.add(f"one turn at step {EARLY:,}", early * 1e6, "µs")
    figures.add(f"one turn at step {LATE:,}", late * 1e6, "µs")
    figures.add("ratio", ratio, "")
    assert ratio < MOST
