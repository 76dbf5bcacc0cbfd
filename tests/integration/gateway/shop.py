"""A workflow to start, and the worker that steps it."""

from __future__ import annotations

from apps.execution.services.pump import run_match, run_resume

SOURCE = '''
from __future__ import annotations

from resumable import Signal, Workflow


class Placed(Signal):
    order_id: str
    total: int


class Paid(Signal):
    order_id: str
    amount: int


class Order(Workflow, version="1", starts_on=Placed, key="order_id"):
    """Collect the payment."""

    paid: int = 0

    async def run(self, placed: Placed) -> str:
        while self.paid < placed.total:
            payment = await Paid.match(order_id=placed.order_id)
            self.paid += payment.amount
        return "paid"
'''
PLACED = {"order_id": "A1", "total": 10}


def work() -> None:
    """One round of what a worker does."""
    run_match()
    run_resume()
