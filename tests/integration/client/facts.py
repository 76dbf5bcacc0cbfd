"""The signals that the tests of the client push."""

from __future__ import annotations

from decimal import Decimal

from resumable import Signal


class Paid(Signal):
    number: int
    amount: Decimal = Decimal(0)


class Shipped(Signal, name="orders.shipped", deliver="one"):
    number: int
