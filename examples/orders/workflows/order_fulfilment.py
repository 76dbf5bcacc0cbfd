from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from order_signals import OrderPlaced, PaymentReceived, Picked, Reviewed, Shipped

from resumable import WaitTimeout, Workflow, all_of, any_of, sleep


class OrderFulfilment(Workflow, version="1", starts_on=OrderPlaced, key="order_id"):
    """Collect the payment in parts, have the order picked and reviewed, see it shipped."""

    paid: Decimal = Decimal(0)

    async def run(self, placed: OrderPlaced) -> str:
        try:
            await self.collect(placed)
        except WaitTimeout:
            return "abandoned"
        if not await self.prepare(placed.order_id):
            return "refused"
        first = await any_of(
            shipped=Shipped.match(order_id=placed.order_id).since("start").named("carrier"),
            late=sleep(placed.ship_within),
        )
        return str(first.name)

    async def collect(self, placed: OrderPlaced) -> None:
        """The bank may be quicker than the shop, so a payment from before the order counts too."""
        while self.paid < placed.total:
            part = PaymentReceived.match(order_id=placed.order_id).since(timedelta(hours=1)).named("payment")
            payment = await part.within(placed.pay_within)
            self.paid += payment.amount

    async def prepare(self, order_id: str) -> bool:
        """Warehouse and reviewer work side by side, and need not wait for the payment."""
        _, review = await all_of(
            Picked.match(order_id=order_id).since("start").named("warehouse"),
            Reviewed.match(order_id=order_id).since("start").named("review"),
        )
        return review.approved
