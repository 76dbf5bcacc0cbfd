from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import models

from apps.definitions.statuses import VersionStatus, WorkflowStatus
from apps.lib.clock import now

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self

    from apps.accounts.models import Tenant
    from apps.definitions.models import Artifact, LoadError, Version, Workflow


class ArtifactQuerySet(models.QuerySet["Artifact"]):
    def store(self, hash: str, files: dict[str, str]) -> None:
        """Keep a content; storing it again changes nothing."""
        self.bulk_create([self.model(hash=hash, files=files)], ignore_conflicts=True)


class WorkflowQuerySet(models.QuerySet["Workflow"]):
    def of(self, tenant: Tenant) -> Self:
        return self.filter(tenant=tenant)

    def startable(self) -> Self:
        return self.filter(status=WorkflowStatus.ACTIVE, version__isnull=False)

    def leave_out(self, present: Collection[int]) -> int:
        """Mark what no file defines any more; what runs goes on from the stored source."""
        return self.startable().exclude(pk__in=present).update(status=WorkflowStatus.ABSENT)


class VersionQuerySet(models.QuerySet["Version"]):
    def supersede(self, workflow_id: int, by: int) -> int:
        """Let new instances of the workflow use `by` alone."""
        self.filter(pk=by).update(status=VersionStatus.ACTIVE)
        return (
            self.filter(workflow_id=workflow_id, status=VersionStatus.ACTIVE)
            .exclude(pk=by)
            .update(status=VersionStatus.SUPERSEDED)
        )


class LoadErrorQuerySet(models.QuerySet["LoadError"]):
    def record(self, path: str, line: int | None, message: str) -> None:
        self.update_or_create(path=path, defaults={"line": line, "message": message, "seen_at": now()})

    def forget(self, seen: Collection[str]) -> int:
        """Drop the errors of files that load now or are gone: all but `seen`."""
        return self.exclude(path__in=seen).delete()[0]
