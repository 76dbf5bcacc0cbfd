from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from apps.instances.statuses import LIVE, Status
from apps.lib.clock import now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime
    from typing import Any, Self

    from apps.accounts.models import Tenant
    from apps.instances.models import Claim, History, Instance, Instruction


class InstanceQuerySet(models.QuerySet["Instance"]):
    def of(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def live(self) -> Self:
        return self.filter(status__in=LIVE)

    def locked(self, pk: int) -> Instance:
        """The instance, locked until the transaction ends. No turn runs while it is held."""
        return self.select_for_update(no_key=True, of=("self",)).get(pk=pk)

    def save_if(self, pk: int, revision: int, **changes: Any) -> bool:
        """Change the instance if it still has this revision, and count the revision up; says whether it had.

        False is a normal answer: somebody else moved it first, and what was computed from the old one is void.
        """
        changed = self.filter(pk=pk, revision=revision)
        return changed.update(revision=revision + 1, updated_at=now(), **changes) == 1

    def wake(self, ids: Collection[int], frm: Iterable[Status]) -> int:
        """Let those of `ids` that are in one of `frm` take turns again; how many were."""
        began = models.Case(
            models.When(snapshot="", then=models.Value(Status.RUNNING)), default=models.Value(Status.WAITING)
        )
        return self.filter(pk__in=ids, status__in=list(frm)).update(status=began, retry_at=None, updated_at=now())

    def due_for_retry(self, moment: datetime, limit: int) -> list[int]:
        """Ids of steps whose next try is due, the longest due first; locked, those locked elsewhere left out."""
        due = self.filter(status=Status.RETRYING, retry_at__lte=moment).order_by("retry_at")
        return list(due.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True)[:limit])


class InstructionQuerySet(models.QuerySet["Instruction"]):
    def release(self, ids: Collection[int]) -> int:
        """Let the instances apply what was kept for them."""
        return self.filter(instance_id__in=ids, held=True).update(held=False)

    def hold(self, ids: Collection[int]) -> int:
        """Keep what the instances were told until they are resumed."""
        return self.filter(instance_id__in=ids, held=False).update(held=True)


class HistoryQuerySet(models.QuerySet["History"]):
    def of(self, instance: Instance) -> Self:
        return self.filter(instance=instance).order_by("seq")


class ClaimQuerySet(models.QuerySet["Claim"]):
    def dead(self, before: datetime, limit: int) -> list[Claim]:
        """Claims older than `before` whose worker holds them no more; locked.

        On SQLite the caller's transaction excludes every other writer, so no claim is held by anybody.
        """
        old = self.filter(started_at__lt=before).order_by("started_at")
        return list(old.select_for_update(skip_locked=True)[:limit])
