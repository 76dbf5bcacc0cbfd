"""A worker that dies takes nothing with it, and what killed it is found (rule 9, fault class crash)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import transaction

from apps.execution.services import claims, match, operate, resume
from apps.execution.store.base import LostRace
from apps.instances.models import Claim, History, Instance
from apps.signals.models import Cursor, Delivery
from tests.conftest import Clock
from tests.integration.execution.flows import ORDERS, SIGNALS
from tests.integration.execution.harness import Harness

ROOT = Path(__file__).parents[3]
KILLED = 9

POISON = (
    SIGNALS
    + f"""

class Orders(Workflow, version="1", starts_on=Placed, key="order"):
    async def run(self, placed: Placed) -> str:
        paid = await Paid.match(order=placed.order)
        if paid.amount == 666:
            import os
            os._exit({KILLED})
        return "paid"
"""
)

SET_UP = """
import os, sys
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from pathlib import Path
from apps.lib import doorbell
from tests.integration.execution.harness import Harness
with doorbell.sent_to(lambda name: None):
    engine = Harness(Path(sys.argv[1]))
    engine.deploy(Path(sys.argv[2]).read_text())
    engine.push_all([("Placed", {"order": f"A{n}"}) for n in range(6)])
    engine.settle()
    engine.push_all([("Paid", {"order": f"A{n}", "amount": 666 if n == 3 else 1}) for n in range(6)])
"""

REPORT = """
import django
django.setup()
from apps.instances.models import Instance
for row in Instance.objects.order_by("key"):
    print(row.key, row.status, row.crashes)
"""


def run(environ: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_step_that_kills_its_worker_is_quarantined_after_three_tries(
    engine_environ: dict[str, str], tmp_path: Path
) -> None:
    environ = {**engine_environ, "WORKFLOW_CLAIM_GRACE_SECONDS": "0"}
    folder = tmp_path / "flows"
    folder.mkdir()
    (tmp_path / "source.py").write_text(POISON)
    made = run(environ, "-c", SET_UP, str(folder), str(tmp_path / "source.py"))
    assert made.returncode == 0, made.stderr
    deaths = [run(environ, "-m", "tests.integration.execution.worker").returncode for _ in range(6)]
    # Once in its batch, three times alone; then it is quarantined and the workers live.
    assert deaths == [KILLED] * 4 + [0, 0]
    report = run(environ, "-c", REPORT).stdout.split("\n")
    assert "A3 quarantined 3" in report
    assert sum("completed" in line for line in report) == 5


@pytest.fixture
def dead(engine: Harness, clock: Clock) -> Callable[[list[int]], None]:
    """Makes a claim look like that of a worker that died."""

    def make(ids: list[int]) -> None:
        with transaction.atomic():
            claims.take(ids)
        clock.advance(seconds=10)
        assert claims.recover() == 1

    return make


def test_the_instances_of_a_dead_batch_are_stepped_one_at_a_time(
    engine: Harness, dead: Callable[[list[int]], None]
) -> None:
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": f"A{n}"}) for n in range(3)])
    engine.settle()
    dead(list(Instance.objects.values_list("pk", flat=True)))
    assert Instance.objects.filter(alone=True, crashes=0).count() == 3
    engine.push_all([("Paid", {"order": f"A{n}"}) for n in range(3)])
    match.match()
    assert [resume.resume().instances for _ in range(4)] == [1, 1, 1, 0]
    assert not Instance.objects.filter(alone=True).exists()


def test_a_crash_is_counted_and_forgotten_after_a_turn(engine: Harness, dead: Callable[[list[int]], None]) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    dead([engine.only().pk])
    assert (engine.only().crashes, engine.only().alone) == (1, True)
    engine.send("Paid", order="A1")
    assert (engine.only().crashes, engine.only().alone) == (0, False)


def test_a_crash_is_quarantined_says_so_and_can_be_retried(engine: Harness, dead: Callable[[list[int]], None]) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1")
    engine.push("Paid", order="A1")
    match.match()
    for _ in range(3):
        dead([engine.only().pk])
    order = engine.only()
    assert (order.status, order.crashes) == ("quarantined", 3)
    assert "died 3 times" in order.error
    assert History.objects.of(order).reverse()[0].detail["fault"] == "crash"
    assert Delivery.objects.filter(state="held").count() == 1
    operate.retry(order.pk, actor="me", reason="more memory")
    engine.settle()
    assert engine.only().result == "paid"


def test_a_young_claim_is_left_alone(engine: Harness, clock: Clock) -> None:
    with transaction.atomic():
        claims.take([1])
    assert claims.recover() == 0
    clock.advance(timedelta(seconds=1))
    assert claims.recover() == 0
    assert Claim.objects.count() == 1


def test_a_failure_that_the_worker_survives_is_no_crash(
    engine: Harness, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    engine.deploy(ORDERS)
    engine.push("Placed", order="A1")
    match.match()

    def lost(*_: object) -> None:
        raise LostRace("somebody was faster")

    with monkeypatch.context() as patched:
        patched.setattr("apps.execution.store.portable.PortableStore.save", lost)
        with pytest.raises(LostRace):
            resume.resume()
    assert not Claim.objects.exists()
    engine.settle()
    assert (engine.only().status, engine.only().crashes) == ("waiting", 0)


def test_a_claim_that_was_taken_for_dead_steps_nothing(engine: Harness, clock: Clock) -> None:
    engine.deploy(ORDERS)
    engine.push("Placed", order="A1")
    match.match()
    claimed = resume.claim(lambda due_until: [Instance.objects.get().pk])
    clock.advance(seconds=10)
    claims.recover()
    with pytest.raises(claims.ClaimLost):
        resume.step(claimed)
    assert engine.only().revision == 0


def test_a_matcher_that_dies_again_and_again_passes_the_signal_over(
    engine: Harness, dead: Callable[[list[int]], None]
) -> None:
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": f"A{n}"}) for n in range(3)])
    sizes = []
    for _ in range(match.TRIES):
        dead([])
        sizes.append(max(1, 500 >> 2 * Cursor.objects.log().attempts))
    assert sizes == [125, 31, 7, 1, 1, 1, 1, 1]
    engine.settle()
    assert list(Instance.objects.order_by("key").values_list("key", flat=True)) == ["A1", "A2"]
    assert Cursor.objects.log().attempts == 0


def test_a_signal_that_the_matcher_cannot_handle_does_not_stop_the_log(
    engine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": "bad"}), ("Placed", {"order": "good"})])
    original = match.offers.created

    def failing(batch: match.offers.Batch, index: int, got: set[int]) -> object:
        if batch.payloads[index]["order"] == "bad":
            raise RuntimeError("cannot handle this")
        return original(batch, index, got)

    monkeypatch.setattr("apps.execution.offers.created", failing)
    for _ in range(match.TRIES):
        with pytest.raises(RuntimeError):
            match.match()
    engine.settle()
    assert engine.only().key == "good"
