"""A workflow that does little for ever: each signal is one turn of a loop in a sub-function."""

from __future__ import annotations

from decimal import Decimal

from resumable import Signal, Workflow


class Installed(Signal):
    meter: str


class Reading(Signal):
    meter: str
    amount: Decimal


class Meter(Workflow, version="1", starts_on=Installed, key="meter"):
    """Adds up what it reads."""

    total: Decimal = Decimal(0)
    readings: int = 0

    async def run(self, installed: Installed) -> None:
        while True:
            amount = await self.read(installed.meter)
            self.total += amount
            self.readings += 1

    async def read(self, meter: str) -> Decimal:
        reading = await Reading.match(meter=meter)
        return reading.amount
