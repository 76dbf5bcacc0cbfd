from __future__ import annotations

from django.apps import AppConfig


class GatewayConfig(AppConfig):
    name = "apps.gateway"
    label = "wf_gateway"
    default_auto_field = "django.db.models.BigAutoField"
