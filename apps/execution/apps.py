from __future__ import annotations

from django.apps import AppConfig


class ExecutionConfig(AppConfig):
    name = "apps.execution"
    label = "wf_execution"
    verbose_name = "Execution"
    default_auto_field = "django.db.models.BigAutoField"
