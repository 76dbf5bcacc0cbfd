from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models
from django.db.models import Q

from apps.catalog.statuses import KeyStatus, ServiceStatus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from typing import Self

    from apps.accounts.models import Tenant
    from apps.catalog.models import EnrolmentToken, Service, ServiceKey, SignalType


class ServiceQuerySet(models.QuerySet["Service"]):
    def locked(self, pk: int) -> Service:
        """The service, locked until the transaction ends: its keys change one registration at a time."""
        return self.select_for_update().get(pk=pk)


class ServiceKeyQuerySet(models.QuerySet["ServiceKey"]):
    def valid(self, moment: datetime) -> Self:
        """Keys that may sign: active, or retiring and not yet retired, of a service that is not disabled."""
        retiring = Q(status=KeyStatus.RETIRING, retires_at__gt=moment)
        return self.filter(Q(status=KeyStatus.ACTIVE) | retiring, service__status=ServiceStatus.ACTIVE)

    def retire(self, service: Service, at: datetime) -> int:
        """Give the service's active keys an end. Keys that already have one keep it."""
        active = self.filter(service=service, status=KeyStatus.ACTIVE)
        return active.update(status=KeyStatus.RETIRING, retires_at=at)

    def revoke(self) -> int:
        return self.update(status=KeyStatus.REVOKED)


class EnrolmentTokenQuerySet(models.QuerySet["EnrolmentToken"]):
    def use(self, token_hash: str, service_name: str, moment: datetime) -> bool:
        """Compare and swap: True for exactly one of any number of callers, then never again."""
        unused = self.filter(token_hash=token_hash, service_name=service_name, used_at=None)
        return unused.filter(expires_at__gt=moment).update(used_at=moment) == 1


class SignalTypeQuerySet(models.QuerySet["SignalType"]):
    def named(self, tenant: Tenant, names: Iterable[str]) -> Self:
        return self.filter(tenant=tenant, name__in=set(names))

    def store(self, types: Sequence[SignalType]) -> None:
        """Insert, or overwrite what has the same name."""
        self.bulk_create(
            types,
            update_conflicts=True,
            unique_fields=["tenant", "name"],
            update_fields=["schema", "deliver", "declared_by", "declared_at"],
        )
