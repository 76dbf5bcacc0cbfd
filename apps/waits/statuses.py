from __future__ import annotations

from django.db import models


class Kind(models.TextChoices):
    SIGNAL = "signal", "a signal, perhaps with a time limit"
    TIMER = "timer", "a moment"
