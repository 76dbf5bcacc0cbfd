from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from typing import Self

    from apps.instances.models import Instance
    from apps.waits.models import LookBack, Template, Wait


class TemplateQuerySet(models.QuerySet["Template"]):
    def for_signals(self, tenants: Collection[int], names: Collection[str]) -> Self:
        """The shapes of waits that may want one of these signals."""
        return self.filter(tenant_id__in=tenants, signal__in=names)


class WaitQuerySet(models.QuerySet["Wait"]):
    def of(self, instance: Instance) -> Self:
        return self.filter(instance=instance).order_by("number")

    def due(self, moment: datetime) -> Self:
        return self.filter(due_at__lte=moment, held=False)

    def release(self, ids: Collection[int]) -> int:
        """Let the timers of these instances fire again."""
        return self.filter(instance_id__in=ids, held=True).update(held=False)

    def hold(self, ids: Collection[int], moment: datetime) -> int:
        """Keep the due timers of these instances until they are resumed; says how many."""
        return self.filter(instance_id__in=ids, due_at__lte=moment, held=False).update(held=True)


class LookBackQuerySet(models.QuerySet["LookBack"]):
    def next(self) -> LookBack | None:
        """The oldest that nobody works on; locked."""
        return self.select_for_update(skip_locked=True).order_by("pk").first()

    def instances(self) -> set[int]:
        """Those whose new waits still have to look back. The table holds one row for each batch under way."""
        return {instance for owed in self.values_list("owed", flat=True) for instance, _ in owed.get("waits", ())}
