"""The way of a signal through the engine, and what each stage leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from apps.execution.services import match, operate, resume, start, timers
from apps.instances.models import Claim, History, Instance, Instruction
from apps.instances.statuses import Status
from apps.signals.models import Cursor, Delivery, Signal
from apps.signals.statuses import Given
from apps.waits.models import LookBack, Template, Wait
from tests.conftest import Clock
from tests.integration.execution.flows import ORDERS, SIGNALS
from tests.integration.execution.harness import Harness


def test_a_start_signal_makes_an_instance_that_waits(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    order = engine.only()
    assert (order.status, order.key, order.live_key, order.revision) == ("waiting", "A1", "A1", 1)
    wait = Wait.objects.get()
    assert (wait.signal, wait.template.fields, wait.since_signal) == ("Paid", [["order", "str"]], order.started_signal)
    assert engine.kinds(order) == ["started"]


def test_signals_are_applied_until_the_end(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    engine.send("Paid", order="A1")
    assert engine.only().status == "waiting"
    engine.send("Paid", order="A1")
    order = engine.only()
    assert (order.status, order.result, order.live_key, order.revision) == ("completed", "paid", None, 3)
    assert not Wait.objects.exists()
    assert set(Delivery.objects.values_list("state", "seq")) == {("consumed", 1), ("consumed", 2), ("consumed", 3)}


def test_nothing_is_left_over_at_rest(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": f"A{n}", "total": 2}) for n in range(30)])
    engine.push_all([("Paid", {"order": f"A{n % 30}"}) for n in range(50)])
    engine.settle()
    assert not Claim.objects.exists()
    assert not LookBack.objects.exists()
    assert not Instruction.objects.exists()
    assert not Delivery.objects.exclude(state=Given.CONSUMED).exists()
    assert Cursor.objects.log().position == Signal.objects.order_by("-pk").values_list("pk", flat=True).first()
    assert Instance.objects.filter(status=Status.COMPLETED).count() == 20


def test_signals_pushed_before_the_start_is_stepped_are_seen(engine: Harness) -> None:
    """Rule 7 within one backlog: start and payments are in the log before anything is matched."""
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": "A1", "total": 2}), ("Paid", {"order": "A1"}), ("Paid", {"order": "A1"})])
    engine.settle()
    assert engine.only().result == "paid"


def test_signals_before_the_start_are_not_seen(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.push_all([("Paid", {"order": "A1"}), ("Placed", {"order": "A1"})])
    engine.settle()
    assert engine.only().status == "waiting"


def test_a_second_start_of_a_live_key_is_not_matched(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": "A1"}), ("Placed", {"order": "A1"})])
    engine.settle()
    engine.send("Placed", order="A1")
    assert Instance.objects.count() == 1
    assert Delivery.objects.count() == 1


def test_a_key_is_free_again_after_the_end(engine: Harness) -> None:
    engine.deploy(ORDERS)
    for _ in range(2):
        engine.send("Placed", order="A1")
        engine.send("Paid", order="A1")
    assert list(Instance.objects.values_list("status", "key")) == [("completed", "A1")] * 2


def test_a_backlog_that_ends_an_instance_and_starts_the_next(engine: Harness) -> None:
    """All is matched at once, while the first instance still lives; the second start must not be lost."""
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1")
    engine.push_all([("Paid", {"order": "A1"}), ("Placed", {"order": "A1"}), ("Paid", {"order": "A1"})])
    engine.settle()
    assert list(Instance.objects.values_list("status", flat=True)) == ["completed", "completed"]


def test_a_key_that_is_freed_later_frees_no_start_from_before(engine: Harness) -> None:
    """Two keys end in one batch; the second start of one of them came while its instance was live."""
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": "A"}), ("Placed", {"order": "B"})])
    engine.settle()
    engine.push_all([("Paid", {"order": "A"}), ("Placed", {"order": "B"}), ("Paid", {"order": "B"})])
    engine.settle()
    assert sorted(Instance.objects.values_list("key", "status")) == [("A", "completed"), ("B", "completed")]


def test_a_time_limit_ends_the_wait(engine: Harness, clock: Clock) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1")
    clock.advance(days=3, seconds=-1)
    engine.settle()
    assert engine.only().status == "waiting"
    clock.advance(seconds=1)
    engine.settle()
    assert engine.only().result == "abandoned"


def test_what_came_first_is_applied_first_when_both_are_late(engine: Harness, clock: Clock) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1")
    engine.send("Placed", order="A2")
    clock.advance(days=2)
    engine.push("Paid", order="A1")
    clock.advance(days=2)
    engine.push("Paid", order="A2")
    engine.settle()
    assert (engine.by_key("A1").result, engine.by_key("A2").result) == ("paid", "abandoned")


FAILING = (
    SIGNALS
    + """

class Failing(Workflow, version="1", starts_on=Placed, key="order"):
    seen: int = 0

    async def run(self, placed: Placed) -> int:
        while self.seen < 3:
            paid = await Paid.match(order=placed.order)
            self.seen += paid.amount
            if paid.amount == 0:
                raise RuntimeError("cannot be zero")
        return self.seen
"""
)


def test_a_failed_step_keeps_the_turns_before_it_and_spares_the_others(engine: Harness) -> None:
    engine.deploy(FAILING)
    engine.push_all([("Placed", {"order": "A1"}), ("Placed", {"order": "A2"})])
    engine.settle()
    engine.push_all([("Paid", {"order": "A1", "amount": amount}) for amount in (1, 0, 1)])
    engine.push_all([("Paid", {"order": "A2", "amount": 3})])
    engine.settle()
    broken = engine.by_key("A1")
    assert (broken.status, broken.attempts, engine.kinds(broken)) == (
        "retrying",
        1,
        ["started", "signal", "failed_step"],
    )
    assert "cannot be zero" in broken.error
    assert engine.by_key("A2").result == 3
    assert Delivery.objects.filter(instance=broken, state=Given.HELD).count() == 2


def test_after_its_tries_a_step_is_quarantined_with_its_traceback(engine: Harness, clock: Clock) -> None:
    engine.deploy(FAILING)
    engine.send("Placed", order="A1")
    engine.send("Paid", order="A1", amount=0)
    for _ in range(5):
        clock.advance(hours=1)
        engine.settle()
    broken = engine.only()
    assert (broken.status, broken.attempts) == ("quarantined", 3)
    assert 'raise RuntimeError("cannot be zero")' in broken.error
    assert History.objects.of(broken).reverse()[0].detail["fault"] == "permanent"


def test_a_quarantined_instance_goes_on_when_it_is_repaired(engine: Harness, clock: Clock) -> None:
    engine.deploy(FAILING)
    engine.send("Placed", order="A1")
    engine.push_all([("Paid", {"order": "A1", "amount": 0}), ("Paid", {"order": "A1", "amount": 2})])
    for _ in range(5):
        clock.advance(hours=1)
        engine.settle()
    broken = engine.only()
    engine.push("Paid", order="A1", amount=1)
    engine.settle()
    Signal.objects.filter(payload__contains='"amount":0').update(payload='{"order":"A1","amount":-1}')
    operate.retry(broken.pk, actor="me")
    engine.settle()
    assert (engine.only().status, Delivery.objects.filter(state=Given.HELD).count()) == ("waiting", 0)
    engine.send("Paid", order="A1", amount=1)
    assert engine.only().result == 3


def test_pause_holds_signals_and_timers_and_resume_applies_them_in_order(engine: Harness, clock: Clock) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    operate.pause(engine.only().pk, actor="me", reason="audit")
    engine.send("Paid", order="A1")
    clock.advance(days=4)
    engine.settle()
    assert engine.only().status == "paused"
    assert Wait.objects.get().held
    operate.resume(engine.only().pk, actor="me")
    engine.settle()
    order = engine.only()
    # The payment came in time; the next wait began with it and its time is over as well.
    assert engine.kinds(order)[-2:] in (["resumed", "signal"], ["signal", "timeout"])


def test_what_is_cancelled_before_it_began_never_runs(engine: Harness) -> None:
    engine.deploy(ORDERS)
    started = start.start_instance(engine.tenant, "Orders", [{"order": "A1"}]).instance
    operate.cancel(started.pk, actor="me", reason="a mistake")
    engine.settle()
    order = engine.only()
    assert (order.status, order.live_key, engine.kinds(order)) == ("cancelled", None, ["cancelled"])
    assert not Instruction.objects.exists()


ONE = (
    SIGNALS
    + """

class Taker(Workflow, version="1", starts_on=Placed, key="order"):
    async def run(self, placed: Placed) -> str:
        offer = await Offer.match(kind="x")
        return placed.order
"""
)


def test_a_signal_for_one_goes_to_the_longest_waiting_also_in_a_batch(engine: Harness) -> None:
    engine.deploy(ONE)
    for order in ("A1", "A2", "A3"):
        engine.send("Placed", order=order)
    engine.push_all([("Offer", {"kind": "x"})] * 2)
    engine.settle()
    assert [engine.by_key(order).status for order in ("A1", "A2", "A3")] == ["completed", "completed", "waiting"]


PICKY = (
    SIGNALS
    + """

class Picky(Workflow, version="1", starts_on=Placed, key="order"):
    least: int = 0

    async def run(self, placed: Placed) -> int:
        self.least = placed.total
        paid = await Offer.match(kind="x").where(self.likes)
        return self.least

    def likes(self, offer: Offer) -> bool:
        return self.least > 1
"""
)


def test_what_the_longest_waiting_declines_goes_to_the_next(engine: Harness) -> None:
    engine.deploy(PICKY)
    engine.send("Placed", order="A1", total=1)
    engine.send("Placed", order="A2", total=2)
    engine.send("Offer", kind="x")
    assert [engine.by_key(order).status for order in ("A1", "A2")] == ["waiting", "completed"]
    assert set(Delivery.objects.filter(instance=engine.by_key("A1")).values_list("state", flat=True)) == {
        "consumed",
        "declined",
    }


def test_a_signal_with_more_waits_than_a_page_reaches_all(engine: Harness, workflow_settings: object) -> None:
    workflow_settings(fanout_page=4)  # type: ignore[operator]
    engine.deploy(ONE.replace('Offer.match(kind="x")', "Paid.any()"))
    engine.push_all([("Placed", {"order": f"A{n}"}) for n in range(11)])
    engine.settle()
    engine.push_all([("Paid", {"order": "x"}), ("Paid", {"order": "y"})])
    pages = [match.match().deliveries for _ in range(4)]
    assert max(pages) <= 8
    engine.settle()
    assert Instance.objects.filter(status="completed").count() == 11


def test_matching_stops_while_much_is_to_be_applied(engine: Harness, workflow_settings: object) -> None:
    workflow_settings(resume_batch=1)  # type: ignore[operator]
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": f"A{n}"}) for n in range(30)])
    assert match.match(4).signals == 4
    assert match.match(4).signals == 0
    assert resume.resume(3).turns == 3
    assert match.match(4).signals == 4
    engine.settle()
    assert Wait.objects.count() == 30


RACING = (
    SIGNALS
    + """

class Racing(Workflow, version="1", starts_on=Placed, key="order"):
    async def run(self, placed: Placed) -> str:
        first = await any_of(paid=self.collect(placed), late=sleep(days=1))
        return first.name

    async def collect(self, placed: Placed) -> None:
        for _ in range(placed.total):
            await Paid.match(order=placed.order)
"""
)


def test_a_timer_does_not_overtake_signals_that_a_full_batch_left(
    engine: Harness, clock: Clock, workflow_settings: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    workflow_settings(resume_batch=1)  # type: ignore[operator]
    monkeypatch.setattr(resume, "DELIVERIES", 2)
    monkeypatch.setattr(match, "AHEAD", 100)
    engine.deploy(RACING)
    engine.send("Placed", order="A1", total=4)
    engine.push_all([("Paid", {"order": "A1"})] * 4)
    match.match()
    clock.advance(days=4)
    engine.settle()
    assert engine.only().result == "paid"


def test_templates_are_shared(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": f"A{n}"}) for n in range(3)])
    engine.settle()
    assert Template.objects.count() == 1


SINCE = (
    SIGNALS
    + """

class Since(Workflow, version="1", starts_on=Placed, key="order"):
    async def run(self, placed: Placed) -> int:
        await Offer.match(kind=placed.order)
        paid = await Paid.match(order=placed.order).since(timedelta(hours=1))
        return paid.amount
"""
)


@pytest.mark.parametrize(("ago", "status"), [(timedelta(minutes=59), "completed"), (timedelta(minutes=61), "waiting")])
def test_since_reaches_back_as_far_as_it_says(engine: Harness, clock: Clock, ago: timedelta, status: str) -> None:
    engine.deploy(SINCE)
    engine.send("Placed", order="A1")
    clock.advance(days=1)
    engine.send("Paid", order="A1", amount=7)
    clock.advance(ago)
    engine.send("Offer", kind="A1")
    assert engine.only().status == status


def test_a_time_limit_does_not_overtake_a_signal_that_came_before_it(engine: Harness, clock: Clock) -> None:
    """Workers were away: payment and time limit are found together, and the payment was first."""
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1")
    clock.advance(days=1)
    engine.push("Paid", order="A1")
    clock.advance(days=3)
    timers.fire()
    assert engine.kinds(engine.only()) == ["started"]
    engine.settle()
    assert engine.only().result == "paid"


def test_a_time_limit_does_not_overtake_what_is_still_looked_back_for(engine: Harness, clock: Clock) -> None:
    """The worker died between the turn and the look back of its waits."""
    engine.deploy(ORDERS)
    engine.push_all([("Placed", {"order": "A1"}), ("Paid", {"order": "A1"})])
    match.match()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apps.execution.services.look_back.settle", lambda: 0)
        resume.resume()
        clock.advance(days=4)
        timers.fire()
    assert engine.kinds(engine.only()) == ["started"]
    engine.settle()
    assert engine.only().result == "paid"


def test_signals_keep_their_order_while_a_new_wait_looks_back(engine: Harness) -> None:
    """The first payment is matched before the instance waits, the second after, and the look back comes last."""
    engine.deploy(ORDERS.replace("self.paid += paid.amount", "self.paid = 10 * self.paid + paid.amount"))
    engine.push_all([("Placed", {"order": "A1", "total": 12}), ("Paid", {"order": "A1", "amount": 1})])
    match.match()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("apps.execution.services.look_back.settle", lambda: 0)
        resume.resume()
        engine.push("Paid", order="A1", amount=2)
        match.match()
        resume.resume()
    assert engine.kinds(engine.only()) == ["started"]
    engine.settle()
    assert History.objects.get(seq=3).state == {"paid": 12}


def test_matching_goes_on_when_what_it_gave_out_is_applied(
    shared_engine: Harness, doorbells: list[str], workflow_settings: Callable[..., None]
) -> None:
    """It stopped because enough was waiting; whoever works that off rings for it."""
    workflow_settings(resume_batch=2)
    shared_engine.deploy(ORDERS)
    shared_engine.push_all([("Placed", {"order": f"A{number}"}) for number in range(6)])
    assert match.match(4).signals == 4
    assert match.match(4).signals == 0
    doorbells.clear()
    assert resume.resume().turns == 2
    assert "signals.match" in doorbells
