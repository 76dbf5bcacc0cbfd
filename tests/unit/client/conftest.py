from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from resumable.client.outbox import Outbox


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "orders.sqlite3"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    opened = Outbox(path, "orders")
    yield opened
    opened.close()
