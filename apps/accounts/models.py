"""Tenants: everything the engine stores belongs to exactly one."""

from __future__ import annotations

from django.db import models

from apps.accounts.querysets import TenantQuerySet
from apps.lib.clock import now


class Tenant(models.Model):
    """One customer of this installation; its rows are invisible to every other."""

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = TenantQuerySet.as_manager()

    class Meta:
        db_table = "wf_tenant"

    def __str__(self) -> str:
        return self.slug
