from __future__ import annotations

from django.apps import AppConfig


class SignalsConfig(AppConfig):
    name = "apps.signals"
    label = "wf_signals"
    verbose_name = "Signals"
    default_auto_field = "django.db.models.BigAutoField"
