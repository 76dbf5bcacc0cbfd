"""A batch takes a fixed number of SQL statements, however large it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.execution.services import match, resume
from tests.integration.execution.flows import ORDERS
from tests.integration.execution.harness import Harness

BATCHES = (3, 60)


def statements(work: Callable[[], object]) -> int:
    """Each COPY and each `executemany` is one."""
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


@pytest.fixture
def orders(engine: Harness) -> Harness:
    """Instances that wait, with everything warm."""
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": f"A{n}", "total": 10}) for n in range(max(BATCHES))])
    engine.settle()
    engine.push_all([("Paid", {"order": "A0"})])
    engine.settle()
    return engine


def test_matching_signals(orders: Harness) -> None:
    counts = []
    for size in BATCHES:
        orders.push_all([("Paid", {"order": f"A{n}"}) for n in range(size)])
        counts.append(statements(match.match))
        orders.settle()
    assert counts[0] == counts[1] <= 20


def test_starting_instances(orders: Harness) -> None:
    counts = []
    for size in BATCHES:
        orders.push_all([("Placed", {"order": f"{size}-{n}"}) for n in range(size)])
        counts.append(statements(match.match))
        orders.settle()
    assert counts[0] == counts[1] <= 25


def test_resuming_instances_and_looking_back(orders: Harness) -> None:
    counts = []
    for size in BATCHES:
        orders.push_all([("Paid", {"order": f"A{n}"}) for n in range(size)])
        match.match()
        counts.append(statements(resume.resume))
        orders.settle()
    assert counts[0] == counts[1] <= 55


def test_finding_nothing_to_do(orders: Harness) -> None:
    assert statements(match.match) <= 2
    assert statements(resume.resume) <= 20
