from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.accounts.models import Tenant
from apps.execution.services.findings import findings


class Command(BaseCommand):
    help = "Reports dead ends: instances and waits that will wait for ever, and files that do not load."

    def handle(self, *args: Any, **options: Any) -> None:
        found = [(tenant, each) for tenant in Tenant.objects.order_by("slug") for each in findings(tenant)]
        for tenant, each in found:
            self.stdout.write(f"{tenant.slug}  {each.code}: {each.what} {each.fix}")
        if found:
            raise CommandError(f"{len(found)} found", returncode=1)
        self.stdout.write("Nothing found: everything that waits can be woken.")
