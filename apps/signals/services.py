"""Takes signals into the log.

`ingest`, in one transaction and a fixed number of statements:
1. take the log's lock, so that ids are given and committed in one order: a signal that commits after another has the
   greater id. Without it a slow transaction would put a signal behind the cursor that has passed it, and it would
   never be matched. Per-signal "matched" flags were the alternative; they cost an update and a dead row each.
2. look for the uids: the same body again is a duplicate, another body a conflict;
3. store signals and their keys, with times that never fall along the log, and ring for matching.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec
from django.db import transaction

from apps.lib import bulk, locks
from apps.lib.clock import now
from apps.lib.doorbell import ring
from apps.lib.jsontext import encode
from apps.signals.models import Signal, SignalKey

if TYPE_CHECKING:
    from apps.catalog.models import Service

LOCK = "signals.log"
SIGNAL_COLUMNS = (
    "id", "tenant_id", "service_id", "uid", "name", "payload", "received_at", "occurred_at", "correlation_id",
)  # fmt: skip
KEY_COLUMNS = ("service_id", "uid", "digest", "signal_id", "received_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A signal as a service pushed it. `payload` is its decoded JSON, checked against the signal's schema."""

    uid: str
    name: str
    payload: Any
    occurred_at: datetime | None = None
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An item that was not stored; `index` is its place in what was given."""

    index: int
    uid: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestResult:
    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...]


@dataclass(slots=True)
class Sorted:
    """The items by what is to be done with them."""

    fresh: dict[str, tuple[Item, bytes]]
    duplicates: int
    rejected: list[Rejection]


@transaction.atomic
def ingest(service: Service, items: Sequence[Item]) -> IngestResult:
    """Store what is new. The items are valid and at most `batch_limit`."""
    digests = [digest(item) for item in items]
    locks.advisory(LOCK)
    known = SignalKey.objects.pushed(service.pk, {item.uid for item in items})
    done = sort(items, digests, known)
    if done.fresh:
        store(service, done.fresh.values())
        ring("signals.match")
    return IngestResult(accepted=len(done.fresh), duplicates=done.duplicates, rejected=tuple(done.rejected))


def digest(item: Item) -> bytes:
    """Equal for equal bodies, however their JSON was written."""
    body = msgspec.json.encode([item.name, item.payload], order="deterministic")
    return hashlib.blake2b(body, digest_size=16).digest()


def sort(items: Sequence[Item], digests: Sequence[bytes], known: dict[str, bytes]) -> Sorted:
    done = Sorted({}, 0, [])
    for index, (item, body) in enumerate(zip(items, digests, strict=True)):
        before = known.get(item.uid)
        if before is None:
            known[item.uid] = body
            done.fresh[item.uid] = (item, body)
        elif before == body:
            done.duplicates += 1
        else:
            detail = f"The uid {item.uid} was used for another body. A new fact needs a new uid."
            done.rejected.append(Rejection(index=index, uid=item.uid, code="uid_conflict", detail=detail))
    return done


def store(service: Service, fresh: Iterable[tuple[Item, bytes]]) -> None:
    fresh, moment = list(fresh), next_moment()
    ids = bulk.allocate(Signal, len(fresh))
    signals, keys = [], []
    for pk, (item, body) in zip(ids, fresh, strict=True):
        signals.append((
            pk, service.tenant_id, service.pk, item.uid, item.name, encode(item.payload), moment, item.occurred_at,
            item.correlation_id or "",
        ))  # fmt: skip
        keys.append((service.pk, item.uid, body, pk, moment))
    bulk.insert(Signal, SIGNAL_COLUMNS, signals)
    bulk.insert(SignalKey, KEY_COLUMNS, keys)


def next_moment() -> datetime:
    """Now, or the last signal's moment where another host's clock was ahead: times in the log never fall."""
    last = Signal.objects.order_by("-pk").values_list("received_at", flat=True).first()
    return max(now(), last) if last else now()
