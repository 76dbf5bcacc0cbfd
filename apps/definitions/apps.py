from __future__ import annotations

from django.apps import AppConfig


class DefinitionsConfig(AppConfig):
    name = "apps.definitions"
    label = "wf_definitions"
    verbose_name = "Definitions"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # Importing them registers the checks.
        from apps.definitions import checks  # noqa: F401 - importing registers them
