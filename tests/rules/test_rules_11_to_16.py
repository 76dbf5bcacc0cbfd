"""Rules 11 to 16: pinned, time, cancel, rewind, patch, dead ends."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.rules.test_rules_01_to_05 import parcel
from tests.rules.world import World, code_of


def test_rule_11_an_instance_survives_a_restart_on_its_own_source(world: World) -> None:
    tracker = world.start("Tracker", "A1", 2)
    world.send("Parcel", parcel(step=1))
    world.restart()
    world.send("Parcel", parcel(step=2))
    assert tracker.result == "1,2"


def test_rule_12_a_timer_fires_once_and_never_early(world: World) -> None:
    sleeper = world.start("Sleeper", 60)
    world.advance(seconds=59)
    assert sleeper.state["woke"] == []
    world.advance(seconds=1)
    assert sleeper.state["woke"] == ["slept"]
    world.advance(hours=1)
    assert sleeper.status == "waiting"
    world.advance(hours=1)
    assert sleeper.result == "True"


def test_rule_12_timers_fire_in_the_order_of_their_moments(world: World) -> None:
    slow, quick = world.start("Sleeper", 600), world.start("Sleeper", 60)
    world.advance(seconds=300)
    assert (slow.state["woke"], quick.state["woke"]) == ([], ["slept"])


def test_rule_12_a_time_limit_raises_at_the_await(world: World) -> None:
    (order,) = world.send("OrderPlaced", {"order_id": "A1", "total": "10"}).started
    world.advance(days=2)
    world.send("PaymentReceived", {"order_id": "A1", "amount": "4"})
    world.advance(days=2)
    assert order.status == "waiting"
    world.advance(days=1)
    assert order.result == "abandoned"
    assert order.state["paid"] == Decimal(4)


def test_rule_13_cancel_raises_at_the_await_and_clean_up_may_still_wait(world: World) -> None:
    ship = world.start("Compensating", "A1")
    world.cancel(ship, reason="customer called")
    assert ship.status == "waiting"
    assert ship.state["log"] == ["refunding"]
    world.send("Note", {"topic": "refunded"})
    assert ship.status == "cancelled"
    assert ship.state["log"] == ["refunding", "refunded", "closed"]


def test_rule_13_an_instance_that_does_not_clean_up_is_cancelled_at_once(world: World) -> None:
    tracker = world.start("Tracker", "A1", 1)
    world.cancel(tracker)
    assert tracker.status == "cancelled"
    assert not tracker.waits
    assert not world.send("Parcel", parcel()).matched
    assert code_of(lambda: world.cancel(tracker)) == "illegal_state"


def test_rule_13_a_group_loser_is_cancelled_and_may_not_wait_again(world: World) -> None:
    racer = world.start("Racer", "A1")
    world.advance(days=1)
    assert racer.result == "late:cancelled,finally"
    assert not racer.waits


def test_rule_13_a_scope_is_cancelled_alone(world: World) -> None:
    scoped = world.start("Scoped", "A1")
    world.advance(days=2)
    world.cancel(scoped, scope="reminders")
    assert scoped.state["log"] == ["reminder", "reminder", "cancelled=True"]
    world.send("Note", {"topic": "A1", "text": "done"})
    assert scoped.result == "done"


def test_rule_13_an_unknown_scope_is_an_error(world: World) -> None:
    scoped = world.start("Scoped", "A1")
    assert code_of(lambda: world.cancel(scoped, scope="nonsense")) == "unknown_scope"
    assert scoped.status == "waiting"


def test_rule_13_a_workflow_cancels_a_scope_of_its_own(world: World) -> None:
    own = world.start("SelfCancelling")
    world.send("Note", {"topic": "stop"})
    assert own.result == "stopped=True"


def test_rule_13_leaving_a_stream_cancels_the_rest(world: World) -> None:
    collector = world.start("Collector", "A1")
    world.send("Note", {"topic": "A1"})
    world.send("Parcel", parcel())
    assert collector.result == "note,parcel"
    assert not collector.waits


def test_rule_14_rewind_restores_a_step_and_its_waits_as_new_history(world: World) -> None:
    counter = world.start("Counter", "A1")
    for step in (1, 2, 3):
        world.send("Parcel", parcel(step=step))
    entries = list(counter.history)
    world.rewind(counter, to=entries[1].seq, reason="the second parcel was not ours")
    assert counter.state["count"] == 1
    assert len(counter.history) == len(entries) + 1
    assert counter.history[-1].kind == "rewound"
    world.send("Parcel", parcel(step=9))
    assert counter.result == "plain:10"


def test_rule_14_signals_consumed_since_come_again_only_when_asked(world: World) -> None:
    counter = world.start("Counter", "A1")
    for step in (1, 2, 3):
        world.send("Parcel", parcel(step=step))
    world.rewind(counter, to=counter.history[0].seq, redeliver=True, reason="count again")
    assert counter.state["count"] == 6


def test_rule_14_an_ended_instance_can_be_rewound(world: World) -> None:
    tracker = world.start("Tracker", "A1", 1)
    world.send("Parcel", parcel(step=1))
    assert tracker.status == "completed"
    world.rewind(tracker, to=tracker.history[0].seq)
    assert tracker.status == "waiting"
    world.send("Parcel", parcel(step=2))
    assert tracker.result == "2"


def test_rule_15_patch_changes_state_and_keeps_who_when_and_why(world: World) -> None:
    counter = world.start("Counter", "A1")
    world.patch(counter, state={"count": 7, "label": "mended"}, reason="miscounted")
    assert counter.state["count"] == 7
    entry = counter.history[-1]
    assert entry.kind == "patched"
    assert entry.detail["reason"] == "miscounted"
    assert entry.detail["changes"]["count"] == {"from": 0, "to": 7}
    world.send("Parcel", parcel(step=3))
    assert counter.result == "mended:10"


def test_rule_15_patch_changes_variables(world: World) -> None:
    counter = world.start("Counter", "A1")
    world.patch(counter, locals={"bonus": 9})
    world.send("Parcel", parcel(step=1))
    assert counter.result == "plain:10"


@pytest.mark.parametrize(
    "change",
    [{"state": {"count": "many"}}, {"state": {"nonsense": 1}}, {"locals": {"nonsense": 1}}],
)
def test_rule_15_a_patch_that_does_not_fit_changes_nothing(world: World, change: dict[str, dict[str, object]]) -> None:
    counter = world.start("Counter", "A1")
    assert code_of(lambda: world.patch(counter, **change)) is not None
    assert counter.state["count"] == 0
    assert counter.history[-1].kind == "started"


def test_rule_16_a_group_that_can_never_complete_is_refused_when_made() -> None:
    from resumable import any_of, at_least, sleep

    with pytest.raises(ValueError, match="never complete"):
        any_of()
    with pytest.raises(ValueError, match="never complete"):
        at_least(3, sleep(days=1), sleep(days=2))
