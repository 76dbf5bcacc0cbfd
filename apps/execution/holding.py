"""What comes for an instance that takes no turns is kept, and let go when it takes turns again.

Nobody holds when an instance is paused: signals are always given as ready, and the worker that finds them ready for
an instance that takes no turns holds them, under the instance's lock. So no signal can fall between the two states.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from apps.instances.models import Instruction
from apps.signals.models import Delivery
from apps.waits.models import Wait


def hold(ids: Collection[int], moment: datetime) -> None:
    """Keep the signals, instructions and due timers of these instances."""
    Delivery.objects.all().hold(ids)
    Instruction.objects.all().hold(ids)
    Wait.objects.all().hold(ids, moment)


def release(ids: Collection[int]) -> None:
    """Let these instances apply what was kept."""
    Delivery.objects.all().release(ids)
    Instruction.objects.all().release(ids)
    Wait.objects.all().release(ids)
