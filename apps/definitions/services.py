"""Deploys what the workflow folders hold.

`scan`:
1. read and load the files (no table is touched, so a file that hangs or fails costs nobody anything);
2. under one lock, so that processes scanning at once agree: store new contents and versions, make each the current
   one of its workflow, mark workflows whose file is gone, declare the signals, set the schedules;
3. replace the list of files that do not load.

Instances keep the version they began with: nothing here changes a version, and contents are never deleted.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import structlog
from django.db import transaction

from apps.accounts.models import Tenant
from apps.catalog.services import Declaration, declare_signals
from apps.definitions import programs
from apps.definitions.artifacts import Unloadable
from apps.definitions.models import Artifact, LoadError, Version, Workflow
from apps.definitions.scanning import Found, Report, fingerprint, look
from apps.definitions.schedules import set_schedule
from apps.definitions.statuses import WorkflowStatus
from apps.lib import locks
from apps.lib.conf import conf
from resumable.kernel import Program
from resumable.wire.schema import SchemaError, json_schema

log = structlog.get_logger(__name__)

_seen: dict[tuple[Path, ...], object] = {}


def scan(roots: Iterable[Path] | None = None, *, tenant: Tenant | None = None) -> Report:
    """Deploy the folders (those of WORKFLOW_PATHS unless told). Doing it again changes nothing."""
    report = look(tuple(conf.paths if roots is None else roots))
    with transaction.atomic():
        locks.advisory("definitions.scan")
        deploy(report, tenant or Tenant.objects.default())
    for error in report.errors:
        log.warning("workflow.unloadable", path=error.path, line=error.line, error=error.message)
    return report


def scan_changed() -> Report | None:
    """Scan if a file changed since this process last did; None when none did."""
    roots = tuple(conf.paths)
    state = fingerprint(roots)
    if _seen.get(roots) == state:
        return None
    report = scan(roots)
    # Only now: a scan that fails is tried again at the next tick.
    _seen[roots] = state
    return report


def deploy(report: Report, tenant: Tenant) -> None:
    present = []
    for each in list(report.found):
        try:
            with transaction.atomic():
                present.append(store(each, tenant))
        except (ValueError, SchemaError) as error:
            report.errors.append(Unloadable(str(error), path=each.path))
            report.broken.add(each.content.module)
    kept = Workflow.objects.of(tenant).filter(version__module__in=report.broken).values_list("pk", flat=True)
    for gone in Workflow.objects.of(tenant).startable().exclude(pk__in=[*present, *kept]):
        set_schedule(gone, None)
    Workflow.objects.of(tenant).leave_out([*present, *kept])
    LoadError.objects.forget([error.path for error in report.errors])
    for unloadable in report.errors:
        LoadError.objects.record(unloadable.path, unloadable.line, unloadable.message)


def store(found: Found, tenant: Tenant) -> int:
    """Make what was found the current version of its workflow; the workflow's id. Raises ValueError, SchemaError."""
    program = found.program
    workflow, _ = Workflow.objects.get_or_create(tenant=tenant, name=program.name)
    version = Version.objects.filter(workflow=workflow, artifact_id=found.content.hash).first()
    if version is not None and workflow.version_id == version.pk and workflow.status == WorkflowStatus.ACTIVE:
        return workflow.pk
    declare(program, tenant, found.path)
    version = version or store_version(found, workflow)
    workflow.version, workflow.doc, workflow.status = version, program.doc or "", WorkflowStatus.ACTIVE
    workflow.save(update_fields=["version", "doc", "status"])
    Version.objects.all().supersede(workflow.pk, by=version.pk)
    set_schedule(workflow, program.schedule)
    log.info("workflow.deployed", workflow=program.name, version=program.label, artifact=found.content.hash[:12])
    return workflow.pk


def store_version(found: Found, workflow: Workflow) -> Version:
    program, content = found.program, found.content
    Artifact.objects.all().store(content.hash, dict(content.files))
    version = Version.objects.create(
        workflow=workflow,
        artifact_id=content.hash,
        label=program.label,
        module=content.module,
        qualname=found.qualname,
        starts=[{"signal": each.signal, "criteria": each.criteria.encode()} for each in program.starts],
        key_field=program.key_field or "",
        schedule=str(program.schedule or ""),
    )
    programs.forget(version.pk)
    return version


def declare(program: Program, tenant: Tenant, path: str) -> None:
    """Tell the catalog the signals of the program."""
    declarations = [
        Declaration(name=each.__signal_name__, schema=json_schema(each), deliver=each.__signal_deliver__)
        for each in program.signals
    ]
    for refusal in declare_signals(tenant, declarations):
        raise ValueError(f"the signal {refusal.name} of {path} is refused: {refusal.detail}")
