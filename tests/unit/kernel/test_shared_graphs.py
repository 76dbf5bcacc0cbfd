"""Branches that share objects, and objects inside them, share them still after any number of restores."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from resumable import Workflow, all_of
from resumable.kernel import Program
from tests.unit.kernel.runs import Tick, saved_run, straight_run

Graph = dict[str, Any]
STEPS = 4


def rearrange(held: Graph, chance: random.Random) -> None:
    """Link, unlink, take out and make containers, within what one branch can reach."""
    for _ in range(chance.randint(1, 3)):
        reached = [each for each in held.values() if isinstance(each, (list, dict))]
        one, other = chance.choice(reached), chance.choice(reached)
        inner = [each for each in (one if isinstance(one, list) else one.values()) if isinstance(each, (list, dict))]
        name = f"n{chance.randrange(3)}"
        match chance.randrange(7):
            case 0 if isinstance(one, list):
                one.append(other)
            case 0:
                one[name] = other
            case 1 if inner:
                held[name] = chance.choice(inner)
            case 2:
                held[name] = chance.choice([[chance.randrange(9)], {"new": [chance.randrange(9)]}])
            case 3 if chance.random() < 0.3:
                one.clear()
            case 4 | 5 if len(held) > 1:
                # What is let go here may still be held by another branch.
                del held[chance.choice(sorted(held))]
            case _:
                held[name] = other


def shape(root: Any) -> list[Any]:
    """The graph below ``root`` as plain data: each container once, links by number."""
    numbers: dict[int, int] = {}
    rows: list[Any] = []

    def visit(each: Any) -> Any:
        if not isinstance(each, (list, dict)):
            return each
        if id(each) not in numbers:
            numbers[id(each)] = len(rows)
            rows.append(None)
            items = list(enumerate(each)) if isinstance(each, list) else sorted(each.items())
            rows[numbers[id(each)]] = [type(each).__name__, *([key, visit(value)] for key, value in items)]
        return f"#{numbers[id(each)]}"

    visit(root)
    return rows


class Gardeners(Workflow):
    """Three branches rearrange what they hold in common."""

    trace: list[Any] = []
    common: dict[str, Any] = {}

    async def run(self, seed: int) -> Any:
        box: list[Any] = [[1], {"a": [2]}]
        box.append(box[0])
        work = all_of(self.tend(seed, 0, box), self.tend(seed, 1, box), self.tend(seed, 2, box[1]))
        if seed % 2:
            del box
        held = await work
        return shape([*held, self.common])

    async def tend(self, seed: int, place: int, given: Any) -> Graph:
        held: Graph = {"given": given, "common": self.common}
        del given
        for step in range(STEPS):
            await Tick.match(n=place)
            rearrange(held, random.Random(f"{seed} {place} {step}"))
            if (seed + place + step) % 4 == 0:
                self.common = {"from": held.get("n0"), "by": place}
        return held


@settings(max_examples=500, deadline=None)
@given(seed=st.integers(0, 2**20), choices=st.lists(st.integers(0, 29), min_size=1, max_size=12))
def test_a_graph_shared_by_branches_keeps_its_shape(seed: int, choices: list[int]) -> None:
    program = Program(Gardeners)
    saved, straight = saved_run(program, choices, seed), straight_run(program, choices, seed)
    assert saved == straight
    assert isinstance(saved.end, list)
