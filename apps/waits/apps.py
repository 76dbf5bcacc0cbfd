from __future__ import annotations

from django.apps import AppConfig


class WaitsConfig(AppConfig):
    name = "apps.waits"
    label = "wf_waits"
    verbose_name = "Waits"
    default_auto_field = "django.db.models.BigAutoField"
