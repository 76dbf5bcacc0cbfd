"""Workflow files of these tests."""

from __future__ import annotations

SIGNALS = """
from __future__ import annotations

from datetime import timedelta

from resumable import Signal, WaitTimeout, Workflow, all_of, any_of, cancel_scope, sleep


class Placed(Signal):
    order: str
    total: int = 1


class Paid(Signal):
    order: str
    amount: int = 1


class Offer(Signal, deliver="one"):
    kind: str
"""

ORDERS = (
    SIGNALS
    + '''

class Orders(Workflow, version="1", starts_on=Placed, key="order"):
    """Collects payments until the total is reached."""

    paid: int = 0

    async def run(self, placed: Placed) -> str:
        while self.paid < placed.total:
            try:
                paid = await Paid.match(order=placed.order).within(days=3)
            except WaitTimeout:
                return "abandoned"
            self.paid += paid.amount
        return "paid"
'''
)
