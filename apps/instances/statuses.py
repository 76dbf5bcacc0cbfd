"""The states of an instance, and what may follow what."""

from __future__ import annotations

from django.db import models


class Status(models.TextChoices):
    #: its first turn is to come
    RUNNING = "running"
    #: suspended on its open waits
    WAITING = "waiting"
    #: its step failed and is tried again at retry_at
    RETRYING = "retrying"
    #: stopped by an operator; signals and timers are kept
    PAUSED = "paused"
    #: its step keeps failing; a person repairs it
    QUARANTINED = "quarantined"
    #: run returned
    COMPLETED = "completed"
    #: ended by WorkflowFailed
    FAILED = "failed"
    #: ended after a cancel
    CANCELLED = "cancelled"


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

    #: begin with these arguments
    START = "start"
    #: cancel it, or one scope of it
    CANCEL = "cancel"
