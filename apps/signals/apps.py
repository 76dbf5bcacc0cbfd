from __future__ import annotations

from django.apps import AppConfig


class SignalsConfig(AppConfig):
    name = "apps.signals"
    label = "wf_signals"
    default_auto_field = "django.db.models.BigAutoField"
