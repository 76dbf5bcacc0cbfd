"""Lanes: one holder each, taken over only from the gone."""

from __future__ import annotations

import subprocess
import sys

from resumable.client import items, lanes
from resumable.client.items import SIGNAL, Item
from resumable.client.lanes import Holder, OwnLane
from resumable.client.outbox import Outbox
from resumable.client.processes import identity, is_gone

ME = Holder(name="me", process=identity())
OTHER = Holder(name="other", process=identity())


def lane_with_an_item(outbox: Outbox, holder: Holder, uid: str, at: float = 0.0) -> int:
    lane = OwnLane(holder, 60.0).number(outbox.connection, at)
    items.insert(outbox.connection, lane, [Item(uid=uid, kind=SIGNAL, name="Paid", body=b"{}")], at)
    return lane


def dead_process() -> str:
    """The identity of a process that has ended."""
    script = "from resumable.client.processes import identity; print(identity())"
    return subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.strip()


def test_a_living_holder_keeps_its_lane_until_the_lease_is_over(outbox: Outbox) -> None:
    lane = lane_with_an_item(outbox, OTHER, "a")
    assert lanes.take_over(outbox.connection, ME, 59.0, 200.0) == []
    assert lanes.take_over(outbox.connection, ME, 61.0, 200.0) == [lane]
    assert lanes.held(outbox.connection, ME) == [lane]


def test_the_lane_of_an_ended_process_is_taken_at_once(outbox: Outbox) -> None:
    lane = lane_with_an_item(outbox, Holder(name="gone", process=dead_process()), "a")
    assert lanes.take_over(outbox.connection, ME, 1.0, 200.0) == [lane]


def test_a_released_lane_is_taken_at_once(outbox: Outbox) -> None:
    lane = lane_with_an_item(outbox, OTHER, "a")
    lanes.release(outbox.connection, OTHER)
    assert lanes.take_over(outbox.connection, ME, 1.0, 200.0) == [lane]


def test_a_lane_without_pending_items_is_not_taken_but_swept(outbox: Outbox) -> None:
    lane = lane_with_an_item(outbox, OTHER, "a")
    items.settle(outbox.connection, ["a"], [], 1.0, None)
    assert lanes.take_over(outbox.connection, ME, 61.0, 200.0) == []
    lanes.sweep(outbox.connection, 59.0)
    assert lanes.held(outbox.connection, OTHER) == [lane]
    lanes.sweep(outbox.connection, 61.0)
    assert lanes.held(outbox.connection, OTHER) == []


def test_who_lost_its_lane_goes_on_in_a_new_one(outbox: Outbox) -> None:
    own = OwnLane(OTHER, 60.0)
    lane = own.number(outbox.connection, 0.0)
    items.insert(outbox.connection, lane, [Item(uid="a", kind=SIGNAL, name="Paid", body=b"{}")], 0.0)
    assert own.renew(outbox.connection, 10.0)
    assert lanes.take_over(outbox.connection, ME, 71.0, 200.0) == [lane]
    assert not own.renew(outbox.connection, 72.0)
    assert own.number(outbox.connection, 73.0) != lane
    assert own.renew(outbox.connection, 74.0)


def test_this_process_runs() -> None:
    assert not is_gone(identity())


def test_an_ended_process_is_gone() -> None:
    assert is_gone(dead_process())


def test_a_later_process_with_the_same_pid_does_not_stand_for_it() -> None:
    *head, _ = identity().split("|")
    assert is_gone("|".join([*head, "12345"]))


def test_nothing_is_said_of_other_machines_and_namespaces() -> None:
    host, boot, _, _, start = identity().split("|")
    assert not is_gone("|".join(["elsewhere", boot, "x", "999999", start]))
    assert not is_gone("|".join([host, boot, "pid:[1]", "999999", start]))
    assert not is_gone("nonsense")


def test_nobody_survives_a_reboot() -> None:
    host, _, namespace, pid, start = identity().split("|")
    assert is_gone("|".join([host, "another-boot", namespace, pid, start]))
