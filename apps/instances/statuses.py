"""The states of an instance, and what may follow what."""

from __future__ import annotations

from django.db import models


class Status(models.TextChoices):
    RUNNING = "running", "its first turn is to come"
    WAITING = "waiting", "suspended on its open waits"
    RETRYING = "retrying", "its step failed and is tried again at retry_at"
    PAUSED = "paused", "stopped by an operator; signals and timers are kept"
    QUARANTINED = "quarantined", "its step keeps failing; a person repairs it"
    COMPLETED = "completed", "run returned"
    FAILED = "failed", "ended by WorkflowFailed"
    CANCELLED = "cancelled", "ended after a cancel"


ENDED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)
#: An instance in one of these takes turns; what comes for the others is held.
ACTIVE = (Status.RUNNING, Status.WAITING)
LIVE = (*ACTIVE, Status.RETRYING, Status.PAUSED, Status.QUARANTINED)

#: What an operator's verb may be said to.
PAUSABLE = (*ACTIVE, Status.RETRYING)
RESUMABLE = (Status.PAUSED,)
RETRYABLE = (Status.RETRYING, Status.QUARANTINED)
CANCELLABLE = LIVE
REWINDABLE = (*LIVE, *ENDED)


class Asked(models.TextChoices):
    """What an instance can be told to do."""

    START = "start", "begin with these arguments"
    CANCEL = "cancel", "cancel it, or one scope of it"
