from __future__ import annotations

from django.db import models


class VersionStatus(models.TextChoices):
    ACTIVE = "active", "new instances use it"
    SUPERSEDED = "superseded", "only instances that began with it use it"


class WorkflowStatus(models.TextChoices):
    ACTIVE = "active", "starts instances"
    ABSENT = "absent", "its file is gone; nothing starts, what runs goes on"
