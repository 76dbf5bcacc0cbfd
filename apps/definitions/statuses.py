from __future__ import annotations

from django.db import models


class VersionStatus(models.TextChoices):
    #: new instances use it
    ACTIVE = "active"
    #: only instances that began with it use it
    SUPERSEDED = "superseded"


class WorkflowStatus(models.TextChoices):
    #: starts instances
    ACTIVE = "active"
    #: its file is gone; nothing starts, what runs goes on
    ABSENT = "absent"
