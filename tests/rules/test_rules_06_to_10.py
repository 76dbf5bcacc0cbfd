"""Rules 6 to 10: once, no lost race, frozen criteria, failure, pause."""

from __future__ import annotations

from tests.rules.test_rules_01_to_05 import parcel
from tests.rules.world import World, code_of


def test_rule_6_a_repeated_uid_is_a_duplicate_and_changes_nothing(world: World) -> None:
    tracker = world.start("Tracker", "A1", 2)
    assert world.send("Parcel", parcel(step=1), uid="u1", service="shop").matched
    again = world.send("Parcel", parcel(step=1), uid="u1", service="shop")
    assert again.duplicate
    assert not again.matched
    assert tracker.state["steps"] == [1]


def test_rule_6_a_reused_uid_with_another_payload_is_a_conflict(world: World) -> None:
    tracker = world.start("Tracker", "A1", 2)
    world.send("Parcel", parcel(step=1), uid="u1", service="shop")
    assert code_of(lambda: world.send("Parcel", parcel(step=2), uid="u1", service="shop")) == "uid_conflict"
    assert tracker.state["steps"] == [1]


def test_rule_6_two_services_may_use_the_same_uid(world: World) -> None:
    tracker = world.start("Tracker", "A1", 2)
    world.send("Parcel", parcel(step=1), uid="u1", service="shop")
    world.send("Parcel", parcel(step=2), uid="u1", service="depot")
    assert tracker.result == "1,2"


def test_rule_6_an_instance_consumes_a_signal_once(world: World) -> None:
    tracker = world.start("Tracker", "A1", 3)
    world.send("Parcel", parcel(step=1))
    world.restart()
    assert tracker.state["steps"] == [1]
    assert len(tracker.waits) == 1


def test_rule_7_a_wait_sees_signals_received_since_its_step_began(world: World) -> None:
    """The second parcel arrives before the wait for it is made, after the step's cause."""
    steps = world.start("TwoSteps", "A1")
    world.pause(steps)
    world.send("Parcel", parcel(step=1))
    world.send("Parcel", parcel(step=2))
    world.resume(steps)
    assert steps.result == "1,2"


def test_rule_7_a_wait_does_not_see_what_came_before_its_step(world: World) -> None:
    steps = world.start("TwoSteps", "A1")
    assert not world.send("Parcel", parcel(step=2)).matched
    world.send("Parcel", parcel(step=1))
    assert steps.status == "waiting"


def test_rule_7_since_looks_further_back(world: World) -> None:
    windows = {window: world.start("Late", "A1", window) for window in ("start", "hour", "none")}
    world.send("Parcel", parcel(step=1))
    world.advance(hours=3)
    world.send("Note", {"topic": "go"})
    assert windows["start"].result == "1"
    assert windows["hour"].status == "waiting"
    assert windows["none"].status == "waiting"


def test_rule_7_since_a_length_of_time_reaches_exactly_that_far(world: World) -> None:
    late = world.start("Late", "A1", "hour")
    world.send("Parcel", parcel(step=1))
    world.advance(minutes=50)
    world.send("Parcel", parcel(step=2))
    world.advance(minutes=20)
    world.send("Note", {"topic": "go"})
    assert late.result == "2"


def test_rule_7_a_wait_never_sees_what_its_instance_has_consumed(world: World) -> None:
    tracker = world.start("Tracker", "A1", 2)
    world.send("Parcel", parcel(step=1))
    assert tracker.status == "waiting"
    assert tracker.state["steps"] == [1]


def test_rule_7_a_retried_step_loses_nothing_that_came_meanwhile(world: World) -> None:
    flaky = world.start("Flaky", "A1")
    world.send("Parcel", parcel(weight="2000"))
    assert flaky.status == "retrying"
    assert world.send("Parcel", parcel(weight="3")).matched
    assert flaky.state["took"] == 0


def test_rule_9_a_step_that_raises_is_rolled_back_whole(world: World) -> None:
    flaky = world.start("Flaky", "A1")
    sent = world.send("Parcel", parcel(weight="-1"))
    assert sent.matched
    assert not sent.resumed
    assert flaky.status == "retrying"
    assert flaky.state["took"] == 0
    assert len(flaky.waits) == 1
    assert "cannot weigh less than nothing" in (flaky.error or "")


def test_rule_9_a_permanent_fault_ends_in_quarantine_with_the_traceback(world: World) -> None:
    flaky, other = world.start("Flaky", "A1"), world.start("Tracker", "A1", 1)
    world.send("Parcel", parcel(weight="-1"))
    world.advance(minutes=10)
    assert flaky.status == "quarantined"
    assert "stories.py" in (flaky.error or "")
    assert "ValueError" in (flaky.error or "")
    assert other.status == "completed"


def test_rule_9_a_transient_fault_is_tried_for_longer(world: World) -> None:
    flaky = world.start("Flaky", "A1")
    world.send("Parcel", parcel(weight="2000"))
    world.advance(minutes=10)
    assert flaky.status == "retrying"
    world.advance(days=1)
    assert flaky.status == "quarantined"


def test_rule_9_a_step_mended_by_hand_goes_on_after_retry(world: World) -> None:
    counter = world.start("Flaky", "A1")
    world.send("Parcel", parcel(weight="-1"))
    world.advance(minutes=10)
    tries = len([entry for entry in counter.history if entry.kind in ("failed_step", "quarantined")])
    assert tries == 3
    world.retry(counter, reason="look again")
    assert counter.status in ("retrying", "quarantined")
    assert len(counter.history) > tries + 1


def test_rule_9_a_start_that_raises_is_kept_for_repair(world: World) -> None:
    sent = world.send("Note", {"topic": "bad start"})
    (broken,) = sent.started
    world.advance(minutes=10)
    assert broken.status == "quarantined"


def test_rule_9_a_where_that_raises_concerns_its_instance_alone(world: World) -> None:
    broken, tracker = world.start("BrokenWhere", "A1"), world.start("Tracker", "A1", 1)
    world.send("Parcel", parcel(step=1))
    assert tracker.result == "1"
    assert broken.status == "retrying"
    assert "the predicate is broken" in (broken.error or "")


def test_rule_9_a_where_that_raises_leaves_a_signal_for_one_to_the_next_in_line(world: World) -> None:
    broken, healthy = world.start("Choosy", True), world.start("Choosy", False)
    world.send("Job", {"kind": "choosy", "number": 7})
    assert healthy.result == 7
    assert broken.status == "retrying"
    assert "the predicate is broken" in (broken.error or "")


def test_rule_9_workflow_failed_ends_the_instance(world: World) -> None:
    refusing = world.start("Refusing")
    world.send("Note", {"topic": "refuse"})
    assert (refusing.status, refusing.error) == ("failed", "refused by rule")
    assert not refusing.waits


def test_rule_10_a_paused_instance_loses_neither_signals_nor_timers(world: World) -> None:
    order = world.send("OrderPlaced", {"order_id": "A1", "total": "10"}).started[0]
    world.pause(order, reason="stock-taking")
    world.send("PaymentReceived", {"order_id": "A1", "amount": "4"})
    world.advance(days=4)
    world.send("PaymentReceived", {"order_id": "A1", "amount": "6"})
    assert order.status == "paused"
    assert order.state["paid"] == 0
    world.resume(order)
    # The first payment came before the time limit of its wait was over, so it is applied first.
    assert (order.result, order.state["paid"]) == ("paid", 10)


def test_rule_10_pausing_twice_and_resuming_what_runs_are_refused(world: World) -> None:
    tracker = world.start("Tracker", "A1", 1)
    assert code_of(lambda: world.resume(tracker)) == "illegal_state"
    world.pause(tracker)
    assert code_of(lambda: world.pause(tracker)) == "illegal_state"


def test_rule_10_a_quarantined_instance_keeps_its_signals(world: World) -> None:
    flaky = world.start("Flaky", "A1")
    world.send("Parcel", parcel(weight="-1"))
    world.advance(minutes=10)
    assert world.send("Parcel", parcel(weight="1")).matched
    assert flaky.status == "quarantined"
