"""What the outside has registered: services, their keys, enrolment tokens and signal types."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.accounts.models import Tenant
from apps.catalog.querysets import (
    EnrolmentTokenQuerySet,
    ServiceKeyQuerySet,
    ServiceQuerySet,
    SignalTypeQuerySet,
)
from apps.catalog.statuses import Deliver, KeyStatus, ServiceStatus
from apps.lib.clock import now


class Service(models.Model):
    """A program that uses the client library: it signs its requests with one of its keys."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=16, choices=ServiceStatus, default=ServiceStatus.ACTIVE)
    registered_at = models.DateTimeField(default=now, editable=False)
    metadata = models.JSONField(default=dict)

    objects = ServiceQuerySet.as_manager()

    class Meta:
        db_table = "wf_service"
        constraints = (
            # Read by registration and by the signal filter `service=`.
            models.UniqueConstraint(fields=("tenant", "name"), name="wf_service_name"),
        )

    def __str__(self) -> str:
        return self.name


class ServiceKey(models.Model):
    """A shared secret of one service, sealed with a key that is not in this database."""

    # Unique over all tenants: it is what a request is looked up by before its tenant is known.
    key_id = models.CharField(max_length=40, unique=True)
    service = models.ForeignKey(Service, models.CASCADE, related_name="keys")
    secret = models.BinaryField()
    status = models.CharField(max_length=16, choices=KeyStatus, default=KeyStatus.ACTIVE)
    created_at = models.DateTimeField(default=now, editable=False)
    retires_at = models.DateTimeField(null=True, blank=True)

    objects = ServiceKeyQuerySet.as_manager()

    class Meta:
        db_table = "wf_service_key"

    def __str__(self) -> str:
        return self.key_id


class EnrolmentToken(models.Model):
    """Permission to register one service once. Only the token's hash is kept."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    service_name = models.CharField(max_length=120)
    # SHA-256 of a random 32-byte token: nothing to guess, so no slow hash is needed.
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")

    objects = EnrolmentTokenQuerySet.as_manager()

    class Meta:
        db_table = "wf_enrolment_token"

    def __str__(self) -> str:
        return f"{self.service_name}, until {self.expires_at:%Y-%m-%d %H:%M}"


class SignalType(models.Model):
    """A signal's wire name and the JSON Schema that every pushed payload of it must satisfy."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    name = models.CharField(max_length=200)
    schema = models.JSONField()
    deliver = models.CharField(max_length=8, choices=Deliver, default=Deliver.ALL)
    declared_by = models.CharField(max_length=160)
    declared_at = models.DateTimeField(default=now)

    objects = SignalTypeQuerySet.as_manager()

    class Meta:
        db_table = "wf_signal_type"
        constraints = (
            # Read once a request by ingestion, with the names of its items.
            models.UniqueConstraint(fields=("tenant", "name"), name="wf_signal_type_name"),
        )

    def __str__(self) -> str:
        return self.name
