"""The templates of new waits: found in this process's memory, else stored."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

from django.db import transaction

from apps.lib.jsontext import encode
from apps.waits.models import Template


class Shape(NamedTuple):
    """Whose waits for which signal have which key fields."""

    tenant_id: int
    workflow_id: int
    signal: str
    fields: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        return hashlib.blake2b(encode(list(self)).encode(), digest_size=32).hexdigest()


_known: dict[Shape, int] = {}


def template_ids(shapes: Iterable[Shape]) -> dict[Shape, int]:
    """The template of each shape. New ones are stored with the caller's transaction."""
    wanted = set(shapes)
    missing = wanted - _known.keys()
    found = {shape: _known[shape] for shape in wanted - missing}
    if missing:
        stored = store(missing)
        found |= stored
        # Not before the commit: after a rollback these ids are nobody's.
        transaction.on_commit(lambda: _known.update(stored))
    return found


def store(shapes: Iterable[Shape]) -> dict[Shape, int]:
    # In one order, so that two batches that store the same shapes wait for each other and never in a circle.
    by_digest = {shape.digest: shape for shape in sorted(shapes)}
    rows = [
        Template(
            tenant_id=shape.tenant_id,
            workflow_id=shape.workflow_id,
            signal=shape.signal,
            fields=[list(each) for each in shape.fields],
            digest=digest,
        )
        for digest, shape in by_digest.items()
    ]
    Template.objects.bulk_create(rows, ignore_conflicts=True)
    stored = Template.objects.filter(digest__in=by_digest).values_list("digest", "pk")
    return {by_digest[digest]: pk for digest, pk in stored}
