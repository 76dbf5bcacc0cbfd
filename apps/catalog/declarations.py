"""Which signals exist, and the schema each payload is held against.

The engine's own workflow files outrank services, and a service changes only what it declared
itself: no service can loosen or break the schema that another depends on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apps.catalog.models import SignalType
from apps.catalog.schemas import InvalidSchema, SignalCheck, compiled
from apps.catalog.statuses import Deliver
from apps.lib.clock import now

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from apps.accounts.models import Tenant

ENGINE = "workflows"
NAME_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One signal as a service or a workflow file declares it."""

    name: str
    schema: Mapping[str, Any]
    deliver: str = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A declaration that was not taken. `code`: invalid_name, invalid_schema or schema_conflict."""

    name: str
    code: str
    detail: str


def declare_signals(tenant: Tenant, declarations: Iterable[Declaration], *, declared_by: str = ENGINE) -> list[Refusal]:
    """Store the schemas that are new or changed; the others are answered, and nothing of them is stored."""
    # Ascending, so that two declarations of the same names wait for each other instead of deadlocking.
    wanted = {each.name: each for each in sorted(declarations, key=lambda each: each.name)}
    known = {row.name: row for row in SignalType.objects.named(tenant, filter(_nameable, wanted))}
    refused = [_refusal(each, known.get(each.name), declared_by) for each in wanted.values()]
    refusals = {each.name: each for each in refused if each is not None}
    changed = [
        _row(tenant, each, declared_by)
        for each in wanted.values()
        if each.name not in refusals and _changes(known.get(each.name), each, declared_by)
    ]
    SignalType.objects.store(changed)
    return list(refusals.values())


def signal_types(tenant: Tenant, names: Iterable[str]) -> dict[str, SignalCheck]:
    """The checks of those of `names` that are declared, in one query."""
    return {
        row.name: SignalCheck(name=row.name, deliver=row.deliver, validator=compiled(row.schema))
        for row in SignalType.objects.named(tenant, names)
    }


def _refusal(each: Declaration, row: SignalType | None, declared_by: str) -> Refusal | None:
    if not _nameable(each.name):
        detail = f"A signal is named by 1 to {NAME_CHARACTERS} printable characters."
        return Refusal(name=each.name, code="invalid_name", detail=detail)
    if each.deliver not in Deliver:
        detail = f"deliver is {each.deliver!r}: use 'all' or 'one'."
        return Refusal(name=each.name, code="invalid_schema", detail=detail)
    try:
        compiled(each.schema)
    except InvalidSchema as error:
        return Refusal(name=each.name, code=error.code, detail=error.detail)
    if row is None or declared_by in (ENGINE, row.declared_by) or _same(row, each):
        return None
    detail = f"{each.name} is declared differently by {row.declared_by}, whose schema stays."
    return Refusal(name=each.name, code="schema_conflict", detail=detail)


def _nameable(name: str) -> bool:
    return 0 < len(name) <= NAME_CHARACTERS and name.isprintable()


def _same(row: SignalType, each: Declaration) -> bool:
    return bool(row.schema == each.schema) and row.deliver == each.deliver


def _changes(row: SignalType | None, each: Declaration, declared_by: str) -> bool:
    if row is None or not _same(row, each):
        return True
    # The engine takes over a type that a service declared first, the other way round never.
    return declared_by == ENGINE != row.declared_by


def _row(tenant: Tenant, each: Declaration, declared_by: str) -> SignalType:
    return SignalType(
        tenant=tenant,
        name=each.name,
        schema=dict(each.schema),
        deliver=each.deliver,
        declared_by=declared_by,
        declared_at=now(),
    )
