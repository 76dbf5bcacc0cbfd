"""The store on PostgreSQL: what the portable one does in several statements or a wide one is one exact join here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from apps.execution.rows import Candidate, DeliveryRow, Probe, SignalRow, WaitRow
from apps.execution.store.portable import PortableStore
from apps.lib import bulk
from apps.lib.jsontext import decode

SQL = Path(__file__).parent.parent / "sql"


class PostgresStore(PortableStore):
    def candidates(self, probes: Sequence[Probe], after: int, limit: int) -> list[Candidate]:
        if not probes:
            return []
        indexes, templates, hashes = (list(column) for column in zip(*probes, strict=True))
        rows = run("candidates", indexes=indexes, templates=templates, hashes=hashes, after=after, limit=limit)
        return [
            Candidate(index, wait, instance, template, decode(criteria), since_at, since_signal)
            for index, wait, instance, template, criteria, since_at, since_signal in rows
        ]

    def runnable(self, moment: datetime, after: int, limit: int) -> list[int]:
        return [row[0] for row in run("runnable", moment=moment, after=after, limit=limit)]

    def log_after(self, position: int, limit: int) -> list[SignalRow]:
        return [SignalRow._make(row) for row in run("log", position=position, limit=limit)]

    def _waits(self, ids: Sequence[int]) -> list[WaitRow]:
        rows = run("waits", ids=list(ids))
        return [WaitRow._make((*row[:5], decode(row[5]) if row[5] else None, *row[6:])) for row in rows]

    def _deliveries(self, ids: Sequence[int], limit: int) -> list[DeliveryRow]:
        return [DeliveryRow._make(row) for row in run("deliveries", ids=list(ids), limit=limit)]


def run(name: str, **values: Any) -> list[tuple[Any, ...]]:
    return bulk.execute(statement(name), values).rows


@cache
def statement(name: str) -> str:
    return (SQL / f"{name}.sql").read_text()
