"""The receipt phase of a permit: one instance collects the activities of one case, in their order."""

from __future__ import annotations

from datetime import datetime

from resumable import Signal, Workflow


class ReceiptEvent(Signal):
    case: str
    activity: str
    resource: str
    at: datetime
    last: bool


class ReceiptCase(Workflow, version="1", starts_on=ReceiptEvent, key="case"):
    """Every event of a case matches the start condition too; with one instance a case only the first one starts."""

    activities: list[str] = []

    async def run(self, event: ReceiptEvent) -> list[str]:
        self.activities.append(event.activity)
        while not event.last:
            event = await ReceiptEvent.match(case=event.case)
            self.activities.append(event.activity)
        return self.activities
