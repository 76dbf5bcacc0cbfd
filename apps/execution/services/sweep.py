"""Finds everything whose doorbell was lost. Each look is one indexed query that is empty when all is well."""

from __future__ import annotations

from apps.execution.services import claims, look_back, match, timers
from apps.instances.models import Instruction
from apps.lib.doorbell import ring
from apps.signals.models import Delivery
from apps.signals.statuses import Given
from apps.waits.models import LookBack


def sweep() -> None:
    """
    1. recover the claims of dead workers;
    2. work off look-backs that their workers left behind;
    3. let due retries go on;
    4. ring where signals are unmatched or something was given to an instance and not applied.
    """
    claims.recover()
    if LookBack.objects.exists():
        look_back.settle()
    timers.retry_due()
    if match.unmatched():
        ring("signals.match")
    if Delivery.objects.filter(state=Given.READY).exists() or Instruction.objects.filter(held=False).exists():
        ring("instances.resume")
