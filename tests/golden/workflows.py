"""The source of the golden snapshots. Frozen: every line and column of it is in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec

from resumable import (
    Signal,
    WaitCancelled,
    WaitTimeout,
    Workflow,
    all_of,
    any_of,
    as_completed,
    at_least,
    cancel_scope,
    resumable,
    sleep,
    wait_for,
)


class Tick(Signal):
    n: int
    v: int = 0


class Colour(Enum):
    RED = 1


@dataclass
class Box:
    items: list[int] = field(default_factory=list)


class Label(msgspec.Struct):
    text: str


class Values(Workflow):
    """One of each kind of value."""

    held: dict[str, Any] = {}

    async def run(self) -> Any:
        shared = [1, 2]
        values: list[Any] = [
            *(None, True, 5, 2**70, 1.5, float("inf"), "text", "\udc80", b"\x00", bytearray(b"b")),
            *(Decimal("1.50"), datetime(2026, 1, 1, tzinfo=UTC), date(2026, 1, 1), time(1, 2), timedelta(3, 4, 5)),
            *(UUID(int=3), Colour.RED, (1, [2]), {1, 2}, frozenset("a"), {"$a": 1, 2: "b"}, range(3)),
            *(Box([1]), Label("x"), ValueError("no"), Box, helper, shared, shared),
        ]
        self.held = {"shared": shared}
        await sleep(days=1)
        shared.append(3)
        again = values[-1] is shared is values[-2] is self.held["shared"]
        await Tick.match(n=1)
        return [repr(value) for value in values if value not in (Box, helper)] + [again]


@resumable
async def helper(n: int) -> int:
    return n + (await Tick.match(n=n)).v


class Flow(Workflow):
    """Loops, handlers, closures, sub-functions."""

    log: list[Any] = []

    async def run(self) -> Any:
        total = 0

        def add(n: int) -> None:
            nonlocal total
            total += n

        for place, (name, count) in enumerate(zip(["a", "b"], (1, 2), strict=True)):
            while count:
                add((await Tick.match(n=count)).v)
                count -= 1
                self.log.append((place, name, count))
        for key, value in {"x": 1, "y": 2}.items():
            self.log.append((key, value + await self.deeper(value)))
        for item in {7}:
            self.log.append(item + await helper(1))
        try:
            raise KeyError("k")
        except KeyError as error:
            await sleep(days=1)
            self.log.append(repr(error))
        finally:
            self.log.append("finally")
        return [*self.log, total, sum([x for x in [(await Tick.match(n=3)).v, 1]])]

    async def deeper(self, n: int) -> int:
        return n if n > 2 else await self.deeper(n + 1) + (await helper(n))


class Side(Workflow):
    """Groups, scopes, streams and limits."""

    log: list[Any] = []

    async def run(self) -> Any:
        basket: list[int] = []
        both = await all_of(a=self.fill(basket, 1), b=any_of(self.fill(basket, 2), Tick.match(n=3)))
        self.log.append((both.a, both.b.index, list(basket)))
        async with cancel_scope("part") as part:
            try:
                await wait_for(at_least(2, self.fill(basket, 1), self.fill(basket, 2), sleep(days=2)), hours=1)
            except WaitTimeout:
                self.log.append("late")
            self.cancel("part")
            await Tick.match(n=9)
        self.log.append(part.cancelled)
        async for done in as_completed(self.fill(basket, 1), self.fill(basket, 2), sleep(days=1)):
            self.log.append((done.index, await self.fill(basket, 4)))
            if len(basket) > 6:
                break
        return [*self.log, basket]

    async def fill(self, basket: list[int], n: int) -> int:
        try:
            tick = await Tick.match(n=n).within(days=30).named(f"tick {n}")
        except WaitCancelled:
            self.log.append(f"cancelled {n}")
            raise
        basket.append(tick.n)
        return tick.n
