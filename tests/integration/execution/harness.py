"""The engine without a broker: its stages are called in turn until nothing is left to do."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

from apps.accounts.models import Tenant
from apps.catalog.models import Service
from apps.definitions.scanning import Report
from apps.definitions.services import scan
from apps.execution.services import look_back, match, resume, timers
from apps.instances.models import History, Instance
from apps.signals.services import IngestResult, Item, ingest

#: More rounds than any test needs; an engine that never comes to rest fails instead of hanging.
MOST_ROUNDS = 500


class Harness:
    """One tenant, one service, one folder of workflow files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tenant = Tenant.objects.default()
        self.service = Service.objects.get_or_create(tenant=self.tenant, name="tests")[0]
        self.uids = itertools.count(1)

    def deploy(self, source: str, file: str = "flows.py") -> Report:
        (self.folder / file).write_text(source)
        return scan([self.folder], tenant=self.tenant)

    def push(self, name: str, uid: str | None = None, **payload: Any) -> IngestResult:
        return self.push_all([(name, payload)], uids=[uid or f"uid-{next(self.uids)}"])

    def push_all(self, signals: list[tuple[str, dict[str, Any]]], uids: list[str] | None = None) -> IngestResult:
        uids = uids or [f"uid-{next(self.uids)}" for _ in signals]
        items = [Item(uid=uid, name=name, payload=payload) for uid, (name, payload) in zip(uids, signals, strict=True)]
        return ingest(self.service, items)

    def settle(self) -> None:
        """Let every stage work until none finds anything."""
        for _ in range(MOST_ROUNDS):
            timers.retry_due()
            looked = look_back.settle()
            matched, resumed = match.match(), resume.resume()
            if not (looked or matched.signals or matched.deliveries or resumed.instances):
                return
        raise AssertionError("the engine does not come to rest")

    def send(self, name: str, **payload: Any) -> None:
        self.push(name, **payload)
        self.settle()

    def only(self) -> Instance:
        return Instance.objects.get()

    def by_key(self, key: str) -> Instance:
        return Instance.objects.get(key=key)

    def kinds(self, instance: Instance) -> list[str]:
        return list(History.objects.of(instance).values_list("kind", flat=True))
