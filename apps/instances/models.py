"""Instances, what was told to them, what happened to them, and the claims of the workers that step them."""

from __future__ import annotations

from django.db import models
from django.db.models import F, Q

from apps.accounts.models import Tenant
from apps.definitions.models import Version, Workflow
from apps.instances.querysets import ClaimQuerySet, HistoryQuerySet, InstanceQuerySet, InstructionQuerySet
from apps.instances.statuses import ENDED, LIVE, Asked, Status
from apps.lib.clock import now
from apps.lib.ids import uuid7
from apps.lib.jsontext import JsonTextField


class Instance(models.Model):
    """One execution of a version.

    `revision` is the number of its last history entry; every save demands the revision it read. Foreign keys of hot
    rows carry no constraint where every transaction would share-lock the same parent row (tenant, workflow, version).
    """

    public_id = models.UUIDField(default=uuid7, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, db_index=False, db_constraint=False, related_name="+")
    workflow = models.ForeignKey(Workflow, models.PROTECT, db_index=False, db_constraint=False, related_name="+")
    version = models.ForeignKey(Version, models.PROTECT, db_index=False, db_constraint=False, related_name="+")
    key = models.TextField(blank=True, default="")
    live_key = models.TextField(  # noqa: DJ001 - NULLs differ, so ended instances share a key
        null=True, help_text="the key while the instance has not ended"
    )
    status = models.CharField(max_length=11, choices=Status.choices, default=Status.RUNNING)
    revision = models.PositiveIntegerField(default=0)
    snapshot = models.TextField(blank=True, default="")
    result = JsonTextField(null=True)
    error = models.TextField(blank=True, default="")
    cancelling = models.BooleanField(default=False)
    attempts = models.PositiveSmallIntegerField(default=0, help_text="failed tries of the present step")
    crashes = models.PositiveSmallIntegerField(default=0, help_text="workers that died in the present step")
    alone = models.BooleanField(default=False, help_text="claimed by itself: a worker died with it in its batch")
    retry_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(default=now, help_text="when what started it was received")
    started_signal = models.BigIntegerField(
        default=0, help_text="the signal that started it; by the API the last one before"
    )
    updated_at = models.DateTimeField(default=now)
    ended_at = models.DateTimeField(null=True)

    objects = InstanceQuerySet.as_manager()

    class Meta:
        db_table = "wf_instance"
        constraints = [
            # Readers: a start looks for the live instance of its key. It is also the rule: one live instance a key.
            # With a condition, PostgreSQL counts its columns not among the row's key: else the end of an instance would
            # wait for everybody who gives it a signal, and they for it.
            models.UniqueConstraint(
                fields=["workflow", "live_key"], condition=Q(live_key__isnull=False), name="wf_instance_live_key"
            ),
            models.CheckConstraint(condition=Q(status__in=Status.values), name="wf_instance_status"),
            models.CheckConstraint(
                condition=Q(live_key__isnull=True) | (Q(live_key=F("key")) & Q(status__in=LIVE)),
                name="wf_instance_ended_frees_key",
            ),
            models.CheckConstraint(
                condition=Q(status__in=ENDED, ended_at__isnull=False) | Q(status__in=LIVE, ended_at__isnull=True),
                name="wf_instance_ended_at",
            ),
            models.CheckConstraint(
                condition=~Q(status=Status.RETRYING) | Q(retry_at__isnull=False), name="wf_instance_retry_at"
            ),
        ]
        indexes = [
            # Reader: the list of instances by workflow and status, newest first. No turn changes its columns
            # unless the status changes, so that updates stay in place.
            models.Index(fields=["workflow", "status", "-id"], name="wf_instance_list"),
            # Reader: the list of all of a tenant's instances, newest first.
            models.Index(fields=["tenant", "-id"], name="wf_instance_tenant"),
            # Reader: the list of instances by key, ended ones too.
            models.Index(fields=["workflow", "key"], condition=~Q(key=""), name="wf_instance_key"),
            # Reader: timers.fire takes the steps whose next try is due.
            models.Index(fields=["retry_at"], condition=Q(status=Status.RETRYING), name="wf_instance_retry"),
            # Reader: resume claims one at a time those that were in a dead worker's batch.
            models.Index(fields=["id"], condition=Q(alone=True), name="wf_instance_alone"),
            # Reader: retention looks for instances that ended long ago.
            models.Index(fields=["ended_at"], condition=Q(ended_at__isnull=False), name="wf_instance_ended"),
        ]

    def __str__(self) -> str:
        return str(self.public_id)


class Instruction(models.Model):
    """What a person or the API told an instance to do; the row goes when it is done."""

    instance = models.ForeignKey(Instance, models.CASCADE, db_index=False, related_name="+")
    kind = models.CharField(max_length=6, choices=Asked.choices)
    args = JsonTextField(default=list)
    scope = models.CharField(max_length=200, blank=True, default="")
    actor = models.CharField(max_length=200, blank=True, default="")
    reason = models.TextField(blank=True, default="")
    held = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now)
    after_signal = models.BigIntegerField(default=0, help_text="the last signal of the log before it was told")

    objects = InstructionQuerySet.as_manager()

    class Meta:
        db_table = "wf_instruction"
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=Asked.values), name="wf_instruction_kind"),
        ]
        indexes = [
            # Readers: resume finds the instances that were told something, and what each was told, in order.
            models.Index(fields=["held", "instance", "id"], name="wf_instruction_ready"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.instance_id}"


class History(models.Model):
    """What happened to an instance; append-only.

    Nothing refers to these rows by a foreign key and they refer to their instance without a constraint: so the table
    can be cut into partitions by id, which grows with time. `(instance, seq)` is then unique in each partition, and
    across them by the compare-and-swap on the instance's revision.
    """

    instance = models.ForeignKey(Instance, models.CASCADE, db_index=False, db_constraint=False, related_name="history")
    seq = models.PositiveIntegerField()
    kind = models.CharField(max_length=20)
    at = models.DateTimeField(default=now)
    detail = JsonTextField(default=dict)
    state = JsonTextField(default=dict)
    snapshot = models.TextField(blank=True, default="")

    objects = HistoryQuerySet.as_manager()

    class Meta:
        db_table = "wf_history"
        verbose_name_plural = "history"
        constraints = [
            # Readers: an instance's history in pages; rewind reads one entry.
            models.UniqueConstraint(fields=["instance", "seq"], name="wf_history_seq"),
            models.CheckConstraint(condition=~Q(kind=""), name="wf_history_kind_given"),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id}/{self.seq} {self.kind}"


class Claim(models.Model):
    """The instances a worker is stepping. Its lock is held by the stepping transaction, so a row nobody holds is a dead worker's."""

    token = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    instance_ids = JsonTextField()
    # Reader: the sweep takes claims by age. The table holds one row for each busy worker, so it needs no index.
    started_at = models.DateTimeField(default=now)

    objects = ClaimQuerySet.as_manager()

    class Meta:
        db_table = "wf_claim"

    def __str__(self) -> str:
        return str(self.token)
