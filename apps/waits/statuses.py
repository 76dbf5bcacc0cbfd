from __future__ import annotations

from django.db import models


class Kind(models.TextChoices):
    #: a signal, perhaps with a time limit
    SIGNAL = "signal"
    #: a moment
    TIMER = "timer"
