from __future__ import annotations

from django.apps import AppConfig


class InstancesConfig(AppConfig):
    name = "apps.instances"
    label = "wf_instances"
    verbose_name = "Instances"
    default_auto_field = "django.db.models.BigAutoField"
