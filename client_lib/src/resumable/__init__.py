"""Workflows as code that survive: ordinary async functions that wait for weeks.

Everything an author of workflows uses is here. The test shell is in
``resumable.testing``, the client for services in ``resumable.client``.
"""

from __future__ import annotations

from resumable.criteria import Q
from resumable.errors import (
    DefinitionError,
    NotResumable,
    NotSaveable,
    ResumableError,
    UnknownScope,
    WaitCancelled,
    WaitTimeout,
    WorkflowFailed,
)
from resumable.functions import resumable
from resumable.groups import Done, all_of, any_of, as_completed, at_least, wait_for
from resumable.scopes import cancel_scope
from resumable.signal import Signal
from resumable.waits import sleep, sleep_until
from resumable.workflow import Workflow, now

__all__ = [
    "DefinitionError",
    "Done",
    "NotResumable",
    "NotSaveable",
    "Q",
    "ResumableError",
    "Signal",
    "UnknownScope",
    "WaitCancelled",
    "WaitTimeout",
    "Workflow",
    "WorkflowFailed",
    "all_of",
    "any_of",
    "as_completed",
    "at_least",
    "cancel_scope",
    "now",
    "resumable",
    "sleep",
    "sleep_until",
    "wait_for",
]
