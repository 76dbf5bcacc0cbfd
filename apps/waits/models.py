"""Open waits, the templates they share, and the look-backs that new waits still owe."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.accounts.models import Tenant
from apps.definitions.models import Workflow
from apps.instances.models import Instance
from apps.lib.clock import now
from apps.lib.jsontext import JsonTextField
from apps.waits.querysets import LookBackQuerySet, TemplateQuerySet, WaitQuerySet
from apps.waits.statuses import Kind


class Template(models.Model):
    """The shape of a wait: which fields of which signal make its match key, for one workflow."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, db_index=False, related_name="+")
    workflow = models.ForeignKey(Workflow, models.PROTECT, db_index=False, related_name="+")
    signal = models.CharField(max_length=200)
    fields = JsonTextField(default=list, help_text="[[path, kind]] of the criteria's equality part")
    # Reader: saving new waits finds their templates by it.
    digest = models.CharField(max_length=64, unique=True)

    objects = TemplateQuerySet.as_manager()

    class Meta:
        db_table = "wf_template"
        indexes = [
            # Reader: match reads the templates of its batch's signals.
            models.Index(fields=["tenant", "signal"], name="wf_template_signal"),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.signal}"


class Wait(models.Model):
    """One thing an instance is suspended on now. The row goes when the wait ends; history keeps what became of it.

    Its tenant is its template's. `since_at` and `since_signal` are the position from which it sees signals: when the
    step that made it began, or earlier where `.since()` asked.
    """

    instance = models.ForeignKey(Instance, models.CASCADE, db_index=False, related_name="waits")
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=6, choices=Kind.choices)
    template = models.ForeignKey(
        Template, models.PROTECT, null=True, db_index=False, db_constraint=False, related_name="+"
    )
    key_hash = models.BigIntegerField(default=0)
    signal = models.CharField(max_length=200, blank=True, default="")
    criteria = JsonTextField(null=True)
    where = models.CharField(max_length=200, blank=True, default="")
    name = models.CharField(max_length=200, blank=True, default="")
    due_at = models.DateTimeField(null=True)
    held = models.BooleanField(default=False, help_text="due while its instance was paused or quarantined")
    since_at = models.DateTimeField()
    since_signal = models.BigIntegerField(default=0)
    function = models.CharField(max_length=200, blank=True, default="")
    line = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=now)

    objects = WaitQuerySet.as_manager()

    class Meta:
        db_table = "wf_wait"
        constraints = [
            # Readers: resume loads the waits of its instances; an instance's page lists them.
            models.UniqueConstraint(fields=["instance", "number"], name="wf_wait_number"),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="wf_wait_kind"),
            models.CheckConstraint(
                condition=Q(kind=Kind.TIMER, due_at__isnull=False, template__isnull=True)
                | Q(kind=Kind.SIGNAL, template__isnull=False),
                name="wf_wait_of_its_kind",
            ),
        ]
        indexes = [
            # Reader: match joins the keys of its signals with the waits; ids ascending, longest-waiting first.
            models.Index(
                fields=["template", "key_hash", "id"], condition=Q(template__isnull=False), name="wf_wait_match"
            ),
            # Reader: resume and timers.fire take the instances with due waits, earliest first.
            models.Index(
                fields=["due_at", "instance"], condition=Q(due_at__isnull=False, held=False), name="wf_wait_due"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.instance_id}#{self.number} {self.signal or self.kind}"


class LookBack(models.Model):
    """What one saved batch still owes: its new waits must see the signals received since their steps began.

    Written by the transaction that made the waits, so that a crash between the two looks loses neither.
    """

    owed = JsonTextField(help_text="{instances, offers, keys}: whose waits look back, which signals are offered again")
    created_at = models.DateTimeField(default=now)

    objects = LookBackQuerySet.as_manager()

    class Meta:
        db_table = "wf_look_back"

    def __str__(self) -> str:
        return str(self.pk)
