from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from resumable.client import Pace, WorkflowClient
from tests.integration.client.engine import TOKEN, Engine

#: Fast enough for a test, slow enough to be seen.
QUICK = Pace(first_retry=0.02, slowest_retry=0.1, poll=0.2, gap=0.001)


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as made:
        yield made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite3"


@pytest.fixture
def connect(engine: Engine, path: Path) -> Iterator[Callable[..., WorkflowClient]]:
    """Makes clients on one outbox, and closes them after the test."""
    made: list[WorkflowClient] = []

    def connect(**options: Any) -> WorkflowClient:
        given = {"engine": engine.url, "outbox": path, "enrol": TOKEN, "pace": QUICK, **options}
        made.append(WorkflowClient("orders", **given))
        return made[-1]

    yield connect
    for each in made:
        each.close()
