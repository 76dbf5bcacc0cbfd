"""The pure core: compile a workflow, restore an instance, advance it by one turn.

No I/O, no clock, no Django. The engine and the test shell run the same code.
"""

from __future__ import annotations

from resumable.kernel.advance import advance, open_waits, where
from resumable.kernel.program import Program
from resumable.kernel.turn import (
    Cancel,
    Cancelled,
    ClosedWait,
    Completed,
    Deliver,
    Event,
    Failed,
    Fire,
    OpenWait,
    Start,
    StepError,
    Turn,
)
from resumable.kernel.view import FrameView, View, patch, view

__all__ = [
    "Cancel",
    "Cancelled",
    "ClosedWait",
    "Completed",
    "Deliver",
    "Event",
    "Failed",
    "Fire",
    "FrameView",
    "OpenWait",
    "Program",
    "Start",
    "StepError",
    "Turn",
    "View",
    "advance",
    "open_waits",
    "patch",
    "view",
    "where",
]
