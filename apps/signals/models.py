"""The log of signals, the keys that make pushing twice harmless, and what was given to whom."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.accounts.models import Tenant
from apps.catalog.models import Service
from apps.instances.models import Instance
from apps.lib.clock import now
from apps.signals.querysets import CursorQuerySet, DeliveryQuerySet, SignalKeyQuerySet, SignalQuerySet
from apps.signals.statuses import Given


class Signal(models.Model):
    """An immutable fact that a service pushed.

    Ids are given and committed in one order (`services.ingest` holds a lock for it), so "matched" is "not after the
    cursor" and no row is ever updated. No foreign key refers to this table: it can be cut into partitions by id.
    """

    tenant = models.ForeignKey(Tenant, models.PROTECT, db_index=False, db_constraint=False, related_name="+")
    service = models.ForeignKey(
        Service, models.PROTECT, null=True, db_index=False, db_constraint=False, related_name="+"
    )
    uid = models.CharField(max_length=200)
    name = models.CharField(max_length=200)
    payload = models.TextField(help_text="JSON, as the service sent it")
    received_at = models.DateTimeField(default=now)
    occurred_at = models.DateTimeField(null=True)
    correlation_id = models.CharField(max_length=200, blank=True, default="")

    objects = SignalQuerySet.as_manager()

    class Meta:
        db_table = "wf_signal"
        constraints = [
            models.CheckConstraint(condition=~Q(uid="") & ~Q(name=""), name="wf_signal_named"),
        ]
        indexes = [
            # Readers: the look back of new waits; the list of a tenant's signals by name.
            models.Index(fields=["tenant", "name", "id"], name="wf_signal_name"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.uid}"


class SignalKey(models.Model):
    """Remembers that a service pushed a uid, and a digest of what; outlives the payload."""

    service = models.ForeignKey(Service, models.PROTECT, db_index=False, db_constraint=False, related_name="+")
    uid = models.CharField(max_length=200)
    digest = models.BinaryField(max_length=16)
    signal_id = models.BigIntegerField(help_text="the signal, 0 when the uid started an instance by the API")
    instance_id = models.BigIntegerField(null=True, help_text="the instance that the uid started")
    received_at = models.DateTimeField(default=now)

    objects = SignalKeyQuerySet.as_manager()

    class Meta:
        db_table = "wf_signal_key"
        constraints = [
            # Readers: ingest looks for what was pushed before. It is also the rule: a uid counts once.
            models.UniqueConstraint(fields=["service", "uid"], name="wf_signal_key_uid"),
            models.CheckConstraint(condition=~Q(uid=""), name="wf_signal_key_uid_given"),
        ]

    def __str__(self) -> str:
        return self.uid


class Delivery(models.Model):
    """That one signal was given to one instance: what makes consumption exactly-once."""

    signal_id = models.BigIntegerField()
    instance = models.ForeignKey(Instance, models.CASCADE, db_index=False, related_name="+")
    state = models.CharField(max_length=8, choices=Given.choices, default=Given.READY)
    seq = models.PositiveIntegerField(null=True, help_text="the history entry of the turn that consumed it")
    created_at = models.DateTimeField(default=now)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        db_table = "wf_delivery"
        verbose_name_plural = "deliveries"
        constraints = [
            # Readers: match and look back find what was given before; a signal's page lists who got it.
            models.UniqueConstraint(fields=["signal_id", "instance"], name="wf_delivery_once"),
            models.CheckConstraint(condition=Q(state__in=Given.values), name="wf_delivery_state"),
        ]
        indexes = [
            # Readers: resume finds instances with something to apply, and what, in log order; operators release
            # what was held. What is consumed is not in it, so it stays as small as the backlog.
            models.Index(
                fields=["state", "instance", "signal_id"],
                condition=Q(state__in=[Given.READY, Given.HELD]),
                name="wf_delivery_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.signal_id} → {self.instance_id} {self.state}"


class Cursor(models.Model):
    """How far the log is matched. Its row lock makes matching one at a time."""

    name = models.CharField(max_length=50, unique=True)
    position = models.BigIntegerField(default=0, help_text="the last signal that is matched")
    wait_after = models.BigIntegerField(
        default=0, help_text="the last wait that the next signal was offered to, when it has more than a page"
    )
    attempts = models.PositiveSmallIntegerField(default=0, help_text="tries of the present batch that did not end")

    objects = CursorQuerySet.as_manager()

    class Meta:
        db_table = "wf_cursor"

    def __str__(self) -> str:
        return f"{self.name} at {self.position}"
