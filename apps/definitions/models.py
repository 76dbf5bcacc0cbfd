"""Workflows, and the source of each of their versions."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from apps.accounts.models import Tenant
from apps.definitions.querysets import ArtifactQuerySet, LoadErrorQuerySet, VersionQuerySet, WorkflowQuerySet
from apps.definitions.statuses import VersionStatus, WorkflowStatus
from apps.lib.clock import now
from apps.lib.jsontext import JsonTextField


class Artifact(models.Model):
    """A workflow file and the files beside it that it imports, as they were; never changed, kept while an instance may need it."""

    # Reader: the scan asks which contents are stored already.
    hash = models.CharField(max_length=64, primary_key=True)
    files = JsonTextField(help_text="path inside the folder → source")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = ArtifactQuerySet.as_manager()

    class Meta:
        db_table = "wf_artifact"
        constraints = [
            models.CheckConstraint(condition=~Q(hash=""), name="wf_artifact_hash_given"),
        ]

    def __str__(self) -> str:
        return self.hash[:12]


class Workflow(models.Model):
    """A name under which instances are started; `version` is what new ones run."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, db_index=False, related_name="+")
    name = models.CharField(max_length=200)
    doc = models.TextField(blank=True, default="")
    version = models.ForeignKey("wf_definitions.Version", models.PROTECT, null=True, db_index=False, related_name="+")
    status = models.CharField(max_length=10, choices=WorkflowStatus.choices, default=WorkflowStatus.ACTIVE)
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WorkflowQuerySet.as_manager()

    class Meta:
        db_table = "wf_workflow"
        constraints = [
            # Readers: start by name; the list of a tenant's workflows.
            models.UniqueConstraint(fields=["tenant", "name"], name="wf_workflow_name"),
            models.CheckConstraint(condition=~Q(name=""), name="wf_workflow_name_given"),
            models.CheckConstraint(condition=Q(status__in=WorkflowStatus.values), name="wf_workflow_status"),
        ]

    def __str__(self) -> str:
        return self.name


class Version(models.Model):
    """One immutable source of a workflow. Instances are pinned to it."""

    workflow = models.ForeignKey(Workflow, models.PROTECT, db_index=False, related_name="versions")
    artifact = models.ForeignKey(Artifact, models.PROTECT, db_index=False, related_name="+")
    label = models.CharField(max_length=100)
    module = models.CharField(max_length=300, help_text="module inside the artifact, such as orders or shop.orders")
    qualname = models.CharField(max_length=200, help_text="name of the class in its module")
    status = models.CharField(max_length=10, choices=VersionStatus.choices, default=VersionStatus.ACTIVE)
    starts = JsonTextField(default=list, help_text="start conditions: [{signal, criteria}]")
    key_field = models.CharField(max_length=200, blank=True, default="")
    schedule = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(default=now, editable=False)

    objects = VersionQuerySet.as_manager()

    class Meta:
        db_table = "wf_version"
        constraints = [
            # Readers: the scan finds the version of a content; a workflow's page lists its versions.
            models.UniqueConstraint(fields=["workflow", "artifact"], name="wf_version_content"),
            models.CheckConstraint(condition=Q(status__in=VersionStatus.values), name="wf_version_status"),
        ]

    def __str__(self) -> str:
        return f"{self.qualname} {self.label} ({self.artifact_id[:12]})"


class LoadError(models.Model):
    """A workflow file that does not load as it is now. The row goes when the file loads."""

    # Reader: the scan replaces a file's error.
    path = models.CharField(max_length=500, unique=True)
    line = models.PositiveIntegerField(null=True)
    message = models.TextField()
    seen_at = models.DateTimeField(default=now)

    objects = LoadErrorQuerySet.as_manager()

    class Meta:
        db_table = "wf_load_error"

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}" if self.line else f"{self.path}: {self.message}"
