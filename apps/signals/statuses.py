from __future__ import annotations

from django.db import models


class Given(models.TextChoices):
    """What became of a signal that was given to an instance."""

    #: to be applied at the next turn
    READY = "ready"
    #: kept until the instance is resumed or tried again
    HELD = "held"
    #: applied; never again, unless an operator redelivers it
    CONSUMED = "consumed"
    #: no open wait wanted it when its turn came
    DECLINED = "declined"
