from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.benchmarks.figures import OUTPUT, Figures


@pytest.fixture(scope="session")
def figures() -> Iterator[Figures]:
    """Takes the figures of the run; prints and writes them at its end."""
    made = Figures()
    yield made
    made.write()
    print(f"\n\n{made.table()}\n\nwritten to {OUTPUT}")
