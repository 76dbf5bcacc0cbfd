"""What an author's type checker makes of workflow code. Checked by mypy, run by nobody."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, assert_type

from resumable import Done, Signal, Workflow, all_of, any_of, as_completed, at_least, now, resumable, sleep, wait_for


class Paid(Signal):
    order_id: str
    amount: Decimal


class Shipped(Signal, name="depot.shipped", deliver="one"):
    order_id: str


@resumable
async def helper(n: int) -> str:
    await sleep(days=n)
    return "x"


class Order(Workflow, version="1", starts_on=[Paid, Shipped.match(order_id="A")], key="order_id"):
    total: Decimal = Decimal(0)

    async def run(self, paid: Paid) -> str:
        assert_type(await Paid.match(order_id="A"), Paid)
        assert_type(await Paid.any().within(days=3).named("payment").since("start"), Paid)
        assert_type(await Paid.match(amount__gte=3).where(self.enough), Paid)
        assert_type(await self.sub(1), int)
        assert_type(await helper(1), str)
        assert_type(await all_of(self.sub(1), Paid.any()), tuple[int, Paid])
        assert_type(await all_of(self.sub(1), Paid.any(), helper(2)), tuple[int, Paid, str])
        assert_type(await any_of(self.sub(1), self.sub(2)), Done[int])
        assert_type(await any_of(paid=Paid.any(), late=sleep(days=3)), Done[Any])
        assert_type(await at_least(1, self.sub(1)), list[Done[int]])
        assert_type(await wait_for(self.sub(1), days=2), int)
        assert_type(await all_of(Paid.any(), Paid.any()).within(hours=1), tuple[Paid, Paid])
        async for done in as_completed(self.sub(1), self.sub(2)):
            assert_type(done.value, int)
        assert_type(now(), datetime)
        return paid.order_id

    def enough(self, paid: Paid) -> bool:
        return paid.amount > self.total

    async def sub(self, n: int) -> int:
        return n
