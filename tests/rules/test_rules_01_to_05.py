"""Rules 1 to 5: start, running first, one wait per instance, who gets it, order."""

from __future__ import annotations

from tests.rules.world import World, code_of

A1 = {"order_id": "A1", "total": "10"}


def parcel(order_id: str = "A1", step: int = 0, **more: object) -> dict[str, object]:
    return {"order_id": order_id, "step": step, **more}


def test_rule_1_each_matching_signal_starts_an_instance_and_the_standing_wait_stays(world: World) -> None:
    first = world.send("OrderPlaced", A1)
    second = world.send("OrderPlaced", {"order_id": "A2", "total": "5"})
    assert [order.key for order in (*first.started, *second.started)] == ["A1", "A2"]
    assert first.matched
    assert second.matched


def test_rule_1_a_second_start_signal_for_a_live_key_is_not_matched(world: World) -> None:
    world.send("OrderPlaced", A1)
    again = world.send("OrderPlaced", A1)
    assert not again.started
    assert not again.matched
    assert len(world.instances("Order")) == 1


def test_rule_1_a_key_is_free_again_once_its_instance_has_ended(world: World) -> None:
    (order,) = world.send("OrderPlaced", A1).started
    world.send("PaymentReceived", {"order_id": "A1", "amount": "10"})
    assert order.status == "completed"
    assert world.send("OrderPlaced", A1).started


def test_rule_1_start_by_api_gives_the_arguments_and_refuses_a_live_key(world: World) -> None:
    tracker = world.start("Tracker", "A1", 1, key="t")
    assert tracker.status == "waiting"
    assert code_of(lambda: world.start("Tracker", "A1", 1, key="t")) == "key_in_use"
    assert len(world.instances("Tracker")) == 1


def test_rule_1_keys_compare_by_value(world: World) -> None:
    """A key that is written in another way is the same key."""
    world.start("Tracker", "A1", 1, key="1")
    assert code_of(lambda: world.start("Tracker", "A1", 1, key="1")) == "key_in_use"
    assert code_of(lambda: world.start("Tracker", "A1", 1, key="1.0")) is None


def test_rule_1_a_schedule_starts_an_instance_each_time(world: World) -> None:
    assert not world.instances("Hourly")
    world.advance(minutes=59)
    assert not world.instances("Hourly")
    world.advance(hours=2, minutes=2)
    assert [each.result for each in world.instances("Hourly")] == ["ran"] * 3


def test_rule_2_a_waiting_instance_gets_the_signal_before_a_new_one_is_started(world: World) -> None:
    (chain,) = world.send("Note", {"topic": "chain", "text": "a"}).started
    second = world.send("Note", {"topic": "chain", "text": "b"})
    assert not second.started
    assert list(second.resumed) == [chain]
    world.send("Note", {"topic": "chain", "text": "c"})
    assert chain.result == "a,b,c"
    assert world.send("Note", {"topic": "chain", "text": "d"}).started


def test_rule_3_a_signal_completes_the_oldest_matching_wait_and_only_that(world: World) -> None:
    pair = world.start("Pair", "A1")
    world.send("Parcel", parcel(step=1))
    assert pair.state["log"] == ["first:1"]
    assert len(pair.waits) == 1
    world.send("Parcel", parcel(step=2))
    assert pair.result == "first:1,second:2"


def test_rule_4_every_matching_instance_gets_it(world: World) -> None:
    both = [world.start("Tracker", "A1", 1), world.start("Tracker", "A1", 1)]
    other = world.start("Tracker", "B2", 1)
    sent = world.send("Parcel", parcel(step=7))
    assert len(sent.resumed) == 2
    assert [each.result for each in both] == ["7", "7"]
    assert other.status == "waiting"


def test_rule_4_deliver_one_goes_to_the_longest_waiting_instance(world: World) -> None:
    oldest = world.start("Worker", "paint")
    world.advance(minutes=1)
    younger = world.start("Worker", "paint")
    world.send("Job", {"kind": "paint", "number": 1})
    assert (oldest.result, younger.status) == (1, "waiting")
    world.send("Job", {"kind": "paint", "number": 2})
    assert younger.result == 2
    assert not world.send("Job", {"kind": "paint", "number": 3}).matched


def test_rule_4_signals_for_one_go_round_also_within_one_moment(world: World) -> None:
    crew = [world.start("Crew", "paint") for _ in range(3)]
    for number in range(4):
        world.send("Job", {"kind": "paint", "number": number})
    assert [worker.state["done"] for worker in crew] == [[0, 3], [1], [2]]


def test_rule_4_a_paused_instance_keeps_the_one_signal_that_went_to_it(world: World) -> None:
    paused = world.start("Worker", "paint")
    world.advance(minutes=1)
    younger = world.start("Worker", "paint")
    world.pause(paused)
    assert world.send("Job", {"kind": "paint", "number": 1}).matched
    assert younger.status == "waiting"
    world.resume(paused)
    assert paused.result == 1


def test_rule_4_the_next_one_goes_to_the_next_in_line_while_the_first_is_paused(world: World) -> None:
    paused = world.start("Worker", "paint")
    younger = world.start("Worker", "paint")
    world.pause(paused)
    world.send("Job", {"kind": "paint", "number": 1})
    world.send("Job", {"kind": "paint", "number": 2})
    assert (paused.status, younger.result) == ("paused", 2)
    world.resume(paused)
    assert paused.result == 1


def test_rule_5_an_instance_gets_its_signals_in_log_order(world: World) -> None:
    tracker = world.start("Tracker", "A1", 5)
    world.pause(tracker)
    for step in (3, 1, 2, 5, 4):
        world.send("Parcel", parcel(step=step))
    world.resume(tracker)
    assert tracker.result == "3,1,2,5,4"


def test_rule_8_lookup_values_are_those_of_the_moment_the_wait_was_made(world: World) -> None:
    frozen = world.start("Frozen")
    assert not world.send("Note", {"topic": "frozen", "text": "b"}).matched
    world.send("Note", {"topic": "frozen", "text": "a"})
    assert frozen.result == "a"


def test_rule_8_only_where_sees_later_state(world: World) -> None:
    picky = world.start("Picky", "A1")
    assert not world.send("Parcel", parcel(step=2)).matched
    world.send("Note", {"topic": "lower"})
    world.send("Parcel", parcel(step=3))
    assert picky.result == "3"


def test_a_lookup_compares_decimals_and_moments_by_value_and_none_matches_null(world: World) -> None:
    amount = world.start("Amount", "1.50", "2026-03-01T12:00:00+02:00")
    world.send("Parcel", parcel(weight="1.5", at="2026-03-01T10:00:00Z"))
    assert amount.result == "A1"
    nothing = world.start("Nothing", "N")
    assert not world.send("Parcel", parcel("N", 1, at="2026-03-01T10:00:00Z")).matched
    world.send("Parcel", parcel("N", 2))
    assert nothing.result == 2
