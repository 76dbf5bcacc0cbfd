from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from apps.accounts.models import Tenant

DEFAULT_SLUG = "default"


class TenantQuerySet(models.QuerySet["Tenant"]):
    def default(self) -> Tenant:
        """The tenant of everyone who was not given another. Made by a migration, and again if it is missing."""
        tenant, _ = self.get_or_create(slug=DEFAULT_SLUG, defaults={"name": "Default"})
        return tenant
