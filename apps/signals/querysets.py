from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from apps.signals.statuses import Given

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self

    from apps.accounts.models import Tenant
    from apps.signals.models import Cursor, Delivery, Signal, SignalKey

LOG = "log"


class SignalQuerySet(models.QuerySet["Signal"]):
    def of(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)


class SignalKeyQuerySet(models.QuerySet["SignalKey"]):
    def pushed(self, service_id: int, uids: Collection[str]) -> dict[str, bytes]:
        """The digests of those of `uids` that the service pushed before."""
        rows = self.filter(service_id=service_id, uid__in=uids).values_list("uid", "digest")
        return {uid: bytes(digest) for uid, digest in rows}


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def release(self, ids: Collection[int]) -> int:
        """Let the instances apply what was kept for them."""
        return self.filter(instance_id__in=ids, state=Given.HELD).update(state=Given.READY)

    def hold(self, ids: Collection[int]) -> int:
        """Keep what was given to these instances until they are resumed."""
        return self.filter(instance_id__in=ids, state=Given.READY).update(state=Given.HELD)

    def redeliver(self, instance_id: int, after: int) -> int:
        """Give again what turns after history entry `after` consumed."""
        consumed = self.filter(instance_id=instance_id, state=Given.CONSUMED, seq__gt=after)
        return consumed.update(state=Given.READY, seq=None)


class CursorQuerySet(models.QuerySet["Cursor"]):
    def log(self) -> Cursor:
        """How far the log is matched, as of now; made by a migration, and again if it is missing."""
        cursor, _ = self.get_or_create(name=LOG)
        return cursor

    def locked_log(self) -> Cursor:
        """The same, locked: no matching is under way, and none begins before the transaction ends."""
        self.log()
        return self.select_for_update().get(name=LOG)

    def is_matched(self, signal_id: int) -> bool:
        return self.filter(name=LOG, position__gte=signal_id).exists()
