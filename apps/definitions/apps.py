from __future__ import annotations

from django.apps import AppConfig


class DefinitionsConfig(AppConfig):
    name = "apps.definitions"
    label = "wf_definitions"
    default_auto_field = "django.db.models.BigAutoField"
