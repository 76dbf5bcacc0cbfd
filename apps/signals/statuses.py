from __future__ import annotations

from django.db import models


class Given(models.TextChoices):
    """What became of a signal that was given to an instance."""

    READY = "ready", "to be applied at the next turn"
    HELD = "held", "kept until the instance is resumed or tried again"
    CONSUMED = "consumed", "applied; never again, unless an operator redelivers it"
    DECLINED = "declined", "no open wait wanted it when its turn came"
