"""Fixtures. What needs Django is imported inside: this file may be read before Django is set up."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.integration.execution.harness import Harness


@pytest.fixture
def engine(db: None, doorbells: list[str], tmp_path: Path) -> Harness:
    from tests.integration.execution.harness import Harness

    return Harness(tmp_path)
