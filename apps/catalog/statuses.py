from __future__ import annotations

from django.db.models import TextChoices


class ServiceStatus(TextChoices):
    ACTIVE = "active"
    DISABLED = "disabled"


class KeyStatus(TextChoices):
    ACTIVE = "active"
    RETIRING = "retiring"
    REVOKED = "revoked"


class Deliver(TextChoices):
    """Who gets a signal of a type: every matching instance, or one of each workflow."""

    ALL = "all"
    ONE = "one"
