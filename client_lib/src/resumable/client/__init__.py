"""The client library: push signals and start workflows from any service, durably."""

from __future__ import annotations

from resumable.client.client import WorkflowClient
from resumable.client.errors import (
    ClientClosed,
    ClientError,
    NotEnrolled,
    OutboxBroken,
    OutboxBusy,
    OutboxFull,
    OutboxUnusable,
    PayloadTooLarge,
    PushFailed,
    UidConflict,
)
from resumable.client.items import Outcome, Stats
from resumable.client.pace import Pace

__all__ = [
    "ClientClosed",
    "ClientError",
    "NotEnrolled",
    "OutboxBroken",
    "OutboxBusy",
    "OutboxFull",
    "OutboxUnusable",
    "Outcome",
    "Pace",
    "PayloadTooLarge",
    "PushFailed",
    "Stats",
    "UidConflict",
    "WorkflowClient",
]
