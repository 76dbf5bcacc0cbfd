"""Items: stored all or none, read in push order, settled once, pruned in time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable.client import items, lanes
from resumable.client.errors import UidConflict
from resumable.client.items import SIGNAL, START, Item, Refusal
from resumable.client.lanes import Holder
from resumable.client.outbox import Outbox

DAY = 24 * 3600.0


def item(uid: str, kind: str = SIGNAL, body: bytes = b"{}") -> Item:
    return Item(uid=uid, kind=kind, name="Paid", body=body)


def push(outbox: Outbox, *uids: str, lane: int = 1, at: float = 0.0, body: bytes = b"{}") -> None:
    outbox.transaction(lambda: items.insert(outbox.connection, lane, [item(uid, body=body) for uid in uids], at))


def pending(outbox: Outbox, lane: int = 1) -> list[str]:
    return [each.uid for each in items.batch(outbox.connection, lane, 1_000, 1 << 20)]


def settle(outbox: Outbox, sent: list[str], dead: list[str], at: float = 0.0) -> None:
    refusals = [Refusal(uid=uid, code="invalid_payload", detail="no") for uid in dead]
    outbox.transaction(lambda: items.settle(outbox.connection, sent, refusals, at, None))


def status(outbox: Outbox, uid: str) -> str | None:
    found = items.outcome(outbox.connection, uid)
    return found.status if found else None


def test_a_batch_has_push_order_and_one_lane(outbox: Outbox) -> None:
    push(outbox, "b", "a")
    push(outbox, "x", lane=2)
    push(outbox, "c")
    assert pending(outbox) == ["b", "a", "c"]
    assert pending(outbox, lane=2) == ["x"]


def test_pushing_a_uid_again_changes_nothing(outbox: Outbox) -> None:
    push(outbox, "a", "b")
    push(outbox, "a", "c")
    settle(outbox, ["a"], [])
    push(outbox, "a")
    assert pending(outbox) == ["b", "c"]
    assert status(outbox, "a") == "sent"


def test_a_uid_with_another_body_stores_nothing_of_its_push(outbox: Outbox) -> None:
    push(outbox, "a")
    with pytest.raises(UidConflict) as caught:
        outbox.transaction(
            lambda: items.insert(outbox.connection, 1, [item("new"), item("a", body=b"[]"), item("z")], 0.0)
        )
    assert caught.value.uid == "a"
    assert pending(outbox) == ["a"]


def test_a_conflict_does_not_undo_its_neighbours_in_the_group(outbox: Outbox) -> None:
    def group() -> None:
        items.insert(outbox.connection, 1, [item("first")], 0.0)
        with pytest.raises(UidConflict):
            items.insert(outbox.connection, 1, [item("second"), item("first", body=b"[]")], 0.0)
        items.insert(outbox.connection, 1, [item("third")], 0.0)

    outbox.transaction(group)
    assert pending(outbox) == ["first", "third"]


def test_a_dead_letter_pushed_again_gets_another_chance(outbox: Outbox) -> None:
    push(outbox, "a")
    settle(outbox, [], ["a"])
    assert pending(outbox) == []
    push(outbox, "a", lane=2)
    assert pending(outbox, lane=2) == ["a"]


def test_settling_twice_counts_once(outbox: Outbox) -> None:
    push(outbox, "a")
    settle(outbox, ["a"], [])
    settle(outbox, [], ["a"])
    found = items.outcome(outbox.connection, "a")
    assert found is not None
    assert (found.status, found.attempts, found.code) == ("sent", 1, None)


def test_a_failed_try_is_noted_and_changes_no_status(outbox: Outbox) -> None:
    push(outbox, "a")
    for now in (5.0, 9.0):
        outbox.transaction(lambda now=now: items.mark_tried(outbox.connection, ["a"], now, "EngineAway", "503"))
    found = items.outcome(outbox.connection, "a")
    assert found is not None
    assert (found.status, found.attempts, found.detail) == ("pending", 2, "503")
    assert items.first_tried_at(outbox.connection, "a") == 5.0


def test_statistics(outbox: Outbox) -> None:
    push(outbox, "a", "b", at=100.0)
    push(outbox, "c", "d", lane=2, at=50.0)
    settle(outbox, ["a"], ["b"])
    found = items.stats(outbox.connection)
    assert (found.pending, found.dead, found.sent) == (2, 1, 1)
    assert found.oldest is not None
    assert found.oldest.timestamp() == 50.0


def test_statistics_of_an_empty_file(outbox: Outbox) -> None:
    found = items.stats(outbox.connection)
    assert (found.pending, found.oldest, found.dead, found.sent) == (0, None, 0, 0)


def test_sent_items_stay_a_day_dead_ones_a_week_pending_ones_longer(outbox: Outbox) -> None:
    push(outbox, "sent", "dead", "pending")
    settle(outbox, ["sent"], ["dead"], at=0.0)
    for now, left in [
        (DAY - 1, ["dead", "pending", "sent"]),
        (DAY + 1, ["dead", "pending"]),
        (7 * DAY + 1, ["pending"]),
    ]:
        outbox.transaction(lambda now=now: items.prune(outbox.connection, now))
        assert [each for each in ("dead", "pending", "sent") if status(outbox, each)] == left


def test_pruning_is_bounded_and_says_when_it_is_done(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(items, "PRUNE_ROWS", 2)
    uids = [f"u{number}" for number in range(5)]
    push(outbox, *uids)
    settle(outbox, uids, [])
    counts = [outbox.transaction(lambda: items.prune(outbox.connection, 2 * DAY)) for _ in range(4)]
    assert counts == [2, 2, 1, 0]


def test_what_the_engine_would_no_longer_recognize_is_given_up(outbox: Outbox) -> None:
    holder = Holder(name="h", process="p")
    lane = lanes.OwnLane(holder, 60.0).number(outbox.connection, 0.0)
    push(outbox, "old", lane=lane, at=0.0)
    push(outbox, "young", lane=lane, at=DAY)
    assert outbox.transaction(lambda: items.expire(outbox.connection, 7 * DAY + 1)) == ["old"]
    assert items.outcome(outbox.connection, "old").code == "expired"  # type: ignore[union-attr]
    assert pending(outbox, lane) == ["young"]


@pytest.mark.parametrize("query", [
    "SELECT uid FROM item WHERE lane = 1 AND status = 'pending' ORDER BY id LIMIT 9",
    "SELECT count(*), min(pushed_at) FROM item INDEXED BY item_pending WHERE status = 'pending'",
    "SELECT count(*) FROM item WHERE status = ? AND settled_at IS NOT NULL",
    "SELECT id FROM item WHERE status = ? AND settled_at < 5 ORDER BY settled_at LIMIT 9",
])  # fmt: skip
def test_the_frequent_queries_use_their_index_and_sort_nothing(outbox: Outbox, query: str) -> None:
    plan = " ".join(
        str(row) for row in outbox.connection.execute(f"EXPLAIN QUERY PLAN {query}", ("sent",) * query.count("?"))
    )
    assert "item_pending" in plan or "item_settled" in plan
    assert "TEMP B-TREE" not in plan


kinds = st.lists(st.sampled_from([SIGNAL, START]), max_size=30)


@given(kinds=kinds, most=st.integers(1, 8), most_bytes=st.integers(1, 60), size=st.integers(0, 25))
def test_cutting_keeps_order_and_limits(kinds: list[str], most: int, most_bytes: int, size: int) -> None:
    rest = [item(str(number), kind, b"x" * size) for number, kind in enumerate(kinds)]
    everything = list(rest)
    seen: list[Item] = []
    while rest:
        found = items.cut(rest, most, most_bytes)
        assert 1 <= len(found) <= most
        assert len(found) == 1 or sum(len(each.body) for each in found) <= most_bytes
        assert len(found) == 1 or all(each.kind == SIGNAL for each in found)
        seen += found
        rest = rest[len(found) :]
    assert seen == everything
