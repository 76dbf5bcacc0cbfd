"""Starts an instance by name, with arguments.

The instance and an instruction to begin are stored; a worker takes the first turn. So no code of an author runs in
the web process but the reading of the arguments' types.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import IntegrityError, transaction

from apps.definitions.artifacts import Unloadable
from apps.definitions.models import Workflow
from apps.definitions.programs import program
from apps.execution import log
from apps.execution.keys import storable_key
from apps.instances.models import Instance, Instruction
from apps.instances.statuses import Asked
from apps.lib import locks
from apps.lib.clock import now
from apps.lib.doorbell import ring
from apps.lib.problems import Conflict, NotFound, Unavailable, Unprocessable
from apps.signals.models import SignalKey
from resumable.kernel import Program

if TYPE_CHECKING:
    from apps.accounts.models import Tenant
    from apps.catalog.models import Service

Arguments = list[Any] | dict[str, Any]


class UnknownWorkflow(NotFound):
    code, title = "unknown_workflow", "There is no such workflow."


class BadArguments(Unprocessable):
    code, title = "bad_arguments", "The arguments are not those of run()."


class KeyInUse(Conflict):
    code, title = "key_in_use", "A live instance has this key."


class UidConflict(Conflict):
    code, title = "uid_conflict", "The uid was used for another request."


class NotLoadable(Unavailable):
    code, title = "not_loadable", "The source of the workflow does not load."


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """`created` is False where the same service has sent the same uid before."""

    instance: Instance
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Who asked, and by which uid: asking again with it gives the same instance."""

    service: Service
    uid: str
    digest: bytes


def start_instance(
    tenant: Tenant,
    name: str,
    args: Arguments | None = None,
    key: str | None = None,
    *,
    service: Service | None = None,
    uid: str | None = None,
) -> Started:
    """Raises UnknownWorkflow, BadArguments, KeyInUse, UidConflict, NotLoadable."""
    workflow = Workflow.objects.of(tenant).startable().filter(name=name).first()
    if workflow is None:
        raise UnknownWorkflow(f"There is no workflow {name!r} that can be started.")
    given = [] if args is None else args
    computed = key if key is not None else key_of(loaded(workflow), given)
    check(loaded(workflow), given)
    request = None
    if service is not None and uid is not None:
        body = msgspec.json.encode(["start", name, given, key], order="deterministic")
        request = Request(service=service, uid=uid, digest=hashlib.blake2b(body, digest_size=16).digest())
    with transaction.atomic():
        before = repeated(request) if request else None
        return before or create(workflow, given, storable_key(computed), request)


def loaded(workflow: Workflow) -> Program:
    assert workflow.version_id is not None
    try:
        return program(workflow.version_id)
    except Unloadable as error:
        raise NotLoadable(f"{workflow.name}: {error.message}") from error


def check(its: Program, args: Arguments) -> tuple[Any, ...]:
    try:
        return its.convert_args(args)
    except ValueError as error:
        raise BadArguments(f"{error}.") from error


def key_of(its: Program, args: Arguments) -> str | None:
    return its.start_key(check(its, args))


def repeated(request: Request) -> Started | None:
    """What the uid started before. Raises UidConflict."""
    # One at a time for each uid: of two that come at once the second must find the first one's row.
    locks.advisory(f"start {request.service.pk} {request.uid}")
    row = SignalKey.objects.filter(service=request.service, uid=request.uid).first()
    if row is None:
        return None
    instance = Instance.objects.filter(pk=row.instance_id).first() if row.instance_id else None
    if bytes(row.digest) != request.digest or instance is None:
        raise UidConflict(f"The uid {request.uid} was used for another request. A new start needs a new uid.")
    return Started(instance=instance, created=False)


def create(workflow: Workflow, args: Arguments, key: str | None, request: Request | None) -> Started:
    # Read before the row exists: signals that are in the log already came before the instance.
    position = log.end()
    assert workflow.version is not None
    try:
        with transaction.atomic():
            instance = Instance.objects.create(
                tenant_id=workflow.tenant_id,
                workflow=workflow,
                version=workflow.version,
                key=key or "",
                live_key=key or None,
                started_at=now(),
                started_signal=position,
            )
    except IntegrityError as error:
        raise KeyInUse(f"A live instance of {workflow.name} has the key {key!r}.") from error
    Instruction.objects.create(instance=instance, kind=Asked.START, args=args, created_at=now(), after_signal=position)
    if request is not None:
        remember(request, instance)
    ring("instances.resume")
    return Started(instance=instance, created=True)


def remember(request: Request, instance: Instance) -> None:
    SignalKey.objects.create(
        service=request.service, uid=request.uid, digest=request.digest, signal_id=0, instance_id=instance.pk
    )


def start_scheduled(workflow_id: int) -> None:
    """Start an instance because its time has come; one whose workflow is gone meanwhile is not started."""
    workflow = Workflow.objects.startable().filter(pk=workflow_id).first()
    if workflow is not None:
        with transaction.atomic():
            create(workflow, [], None, None)
