"""Shell and engine do the same, whatever happens: random walks through the stories' workflows, compared at each rest.

The shell takes signals one at a time. The engine gets them in heaps, as it does when workers were away, and must come
to the same. One thing is left out: several signals in one heap that start instances of a workflow without a key which
also waits for them (docs/decisions/0310).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.rules.world import ShellWorld

pytestmark = pytest.mark.django_db

WORKFLOWS = ("Order", "Chain", "Tracker", "Worker", "Pair", "TwoSteps", "Racer", "Counter", "Collector", "Scoped")
ORDERS = ("A", "B", "C")
ROUNDS = 10


@pytest.fixture
def engine() -> Iterator[Any]:
    from tests.rules.engine_world import EngineWorld

    with EngineWorld() as world:
        yield world


def a_signal(chance: random.Random) -> tuple[str, dict[str, Any]]:
    order = chance.choice(ORDERS)
    made: list[tuple[str, dict[str, Any]]] = [
        ("OrderPlaced", {"order_id": order, "total": str(chance.randint(1, 3))}),
        ("PaymentReceived", {"order_id": order, "amount": "1"}),
        ("PaymentReceived", {"order_id": order, "amount": "2"}),
        ("Parcel", {"order_id": order, "step": chance.randint(1, 2)}),
        ("Job", {"kind": "k", "number": chance.randint(1, 99)}),
        ("Note", {"topic": chance.choice(["chain", order]), "text": str(chance.randint(1, 9))}),
    ]
    return chance.choice(made)


def without_second_chain(heap: list[tuple[str, dict[str, Any]]]) -> list[tuple[str, dict[str, Any]]]:
    chains = [each for each in heap if each[1].get("topic") == "chain"]
    return [each for each in heap if each not in chains] + chains[:1]


def a_start(chance: random.Random) -> tuple[str, tuple[Any, ...]]:
    name = chance.choice(("Tracker", "Worker", "Pair", "TwoSteps", "Racer", "Counter", "Collector", "Scoped"))
    arguments: dict[str, tuple[Any, ...]] = {"Tracker": (chance.choice(ORDERS), 2), "Worker": ("k",)}
    return name, arguments.get(name, (chance.choice(ORDERS),))


def look(each: Any) -> str:
    waits = [(wait.kind, wait.signal, wait.due_at) for wait in each.waits]
    return repr((each.status, each.key, each.result, sorted(each.state.items()), waits))


def seen(world: Any) -> dict[str, list[str]]:
    """All instances. Their order is not compared: a key freed within a heap is taken again a little later."""
    return {name: sorted(look(each) for each in world.instances(name)) for name in WORKFLOWS}


def operate(chance: random.Random, shell: Any, engine: Any) -> None:
    """Do one thing to one instance that allows it, in both worlds.

    Not to a worker: where one is paused that was promised a job, the engine gives the next job to another at once. Nor to
    a chain: what it declines when it is resumed starts another on the engine, and is lost in the shell.
    """
    name = chance.choice([each for each in WORKFLOWS if each not in ("Worker", "Chain")])
    pairs = list(zip(*(sorted(world.instances(name), key=look) for world in (shell, engine)), strict=True))
    if not pairs:
        return
    left, right = chance.choice(pairs)
    verbs: dict[str, list[Callable[[Any, Any], object]]] = {
        "waiting": [lambda world, each: world.pause(each), lambda world, each: world.cancel(each)],
        "paused": [lambda world, each: world.resume(each)] * 3 + [lambda world, each: world.cancel(each)],
    }
    allowed = verbs.get(left.status)
    if allowed:
        verb = chance.choice(allowed)
        verb(shell, left)
        verb(engine, right)


@pytest.mark.parametrize("seed", range(8))
def test_a_random_walk(engine: Any, seed: int) -> None:
    chance = random.Random(seed)
    shell = ShellWorld()
    for step in range(ROUNDS):
        for _ in range(chance.randint(0, 2)):
            name, arguments = a_start(chance)
            shell.start(name, *arguments)
            engine.start(name, *arguments)
        heap = without_second_chain([a_signal(chance) for _ in range(chance.choice((1, 1, 4, 10)))])
        for name, payload in heap:
            shell.send(name, payload)
        engine.send_all(heap)
        assert seen(engine) == seen(shell), f"after heap {step}: {heap}"
        if chance.random() < 0.5:
            operate(chance, shell, engine)
            assert seen(engine) == seen(shell), f"after an operator's verb in round {step}"
        if chance.random() < 0.4:
            hours = chance.choice((1, 24, 80))
            shell.advance(hours=hours)
            engine.advance(hours=hours)
            assert seen(engine) == seen(shell), f"after {hours} hours in round {step}"
