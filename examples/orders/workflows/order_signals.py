"""What the shop's services tell: the signals that the workflow and both services share."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from resumable import Signal


class OrderPlaced(Signal):
    """Pushed by the orders service. Each payment must come within `pay_within` of the one before."""

    order_id: str
    total: Decimal
    pay_within: timedelta = timedelta(days=3)
    ship_within: timedelta = timedelta(days=7)


class PaymentReceived(Signal):
    """Pushed by the payments service, once for each part that a customer pays."""

    order_id: str
    amount: Decimal


class Picked(Signal):
    """The warehouse has the goods in a box."""

    order_id: str
    boxes: int


class Reviewed(Signal):
    """A person has looked at the order."""

    order_id: str
    approved: bool


class Shipped(Signal):
    """The carrier has taken the boxes."""

    order_id: str
    carrier: str
