"""Finds dead ends (rule 16): what will wait for ever unless a person does something.

Each look is bounded, so that it can be taken while a million instances wait.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from django.db.models import Exists, OuterRef

from apps.accounts.models import Tenant
from apps.catalog.models import Service
from apps.definitions.models import LoadError
from apps.instances.models import Instance, Instruction
from apps.instances.statuses import Status
from apps.signals.models import Signal
from apps.waits.models import Template, Wait

#: Findings of one kind that one look reports.
MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A dead end: its stable code, what was found and where, and what to do about it."""

    code: str
    what: str
    fix: str


def findings(tenant: Tenant) -> list[Finding]:
    """Everything of the tenant that can never go on by itself, and what makes matching slow."""
    return list(chain(waiting_for_nothing(tenant), nobody_pushes(tenant), without_a_key(tenant), not_loading()))


def waiting_for_nothing(tenant: Tenant) -> Iterator[Finding]:
    """Instances that wait, and have nothing that could wake them."""
    waits = Wait.objects.filter(instance=OuterRef("pk"))
    told = Instruction.objects.filter(instance=OuterRef("pk"))
    stuck = Instance.objects.of(tenant).filter(~Exists(waits), ~Exists(told), status=Status.WAITING)
    for instance in stuck.select_related("workflow").order_by("pk")[:MOST]:
        yield Finding(
            code="instance_without_waits",
            what=f"Instance {instance.public_id} of {instance.workflow.name} waits, but for nothing.",
            fix="Rewind it to an earlier step, or cancel it.",
        )


def nobody_pushes(tenant: Tenant) -> Iterator[Finding]:
    """Signals that are waited for, that no service declares and none has ever pushed."""
    declared = {
        name for service in Service.objects.filter(tenant=tenant) for name in service.metadata.get("signals", ())
    }
    for name, workflow in sorted(awaited(tenant)):
        pushed = Signal.objects.of(tenant).filter(name=name, service__isnull=False)
        if name not in declared and not pushed.exists():
            yield Finding(
                code="signal_of_nobody",
                what=f"{workflow} waits for {name}, which no service declares and none has pushed.",
                fix="Compare the name with those that services declare, or register the service that pushes it.",
            )


def without_a_key(tenant: Tenant) -> Iterator[Finding]:
    """Waits whose criteria have no equality part: every signal of the name is held against each of them."""
    for name, workflow in sorted(awaited(tenant, fields=[])):
        yield Finding(
            code="wait_without_key",
            what=f"{workflow} waits for {name} without an equality among its lookups.",
            fix="Add one, such as order_id=…: without it each signal is compared with every such wait.",
        )


def awaited(tenant: Tenant, **shape: object) -> set[tuple[str, str]]:
    """(signal, workflow) of the shapes that have an open wait."""
    waits = Wait.objects.filter(template=OuterRef("pk"))
    rows = Template.objects.filter(Exists(waits), tenant=tenant, **shape)
    return set(rows.values_list("signal", "workflow__name")[:MOST])


def not_loading() -> Iterator[Finding]:
    for error in LoadError.objects.order_by("path")[:MOST]:
        yield Finding(
            code="file_does_not_load",
            what=str(error),
            fix="Mend the file. Until then the workflow stays as it was deployed last.",
        )
