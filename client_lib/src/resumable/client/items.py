"""Items: what was pushed and where it stands. The statements over table ``item``.

``pending`` → ``sent`` when the engine has it, or → ``dead`` when it refused it for
good. All functions run inside the writer's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from resumable.client.errors import UidConflict

SIGNAL = "signal"
START = "start"

#: Seconds a sent item stays, so that pushing its uid again is still known here.
KEEP_SENT = 24 * 3600.0
#: Seconds a dead letter stays for a person to look at.
KEEP_DEAD = 7 * 24 * 3600.0
#: Seconds after which a pending item is given up. The engine remembers uids for
#: eight days: trying longer could store an item twice.
GIVE_UP = 7 * 24 * 3600.0

#: Rows one pruning transaction deletes at most, so that pushes do not wait for it.
PRUNE_ROWS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One push. ``body`` is the JSON that is sent; ``name`` the signal's or the workflow's.

    ``chosen`` says that the caller gave the uid, so that the file may know it already.
    """

    uid: str
    kind: str
    name: str
    body: bytes
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why an item will never be accepted: the engine's code and words."""

    uid: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """State of an outbox: counts, and when the oldest pending item was pushed."""

    pending: int
    oldest: datetime | None
    dead: int
    sent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one push. ``answer`` is a started instance's id."""

    status: str
    attempts: int
    code: str | None
    detail: str | None
    answer: str | None


_INSERT = "INSERT OR IGNORE INTO item (lane, uid, kind, name, body, pushed_at) VALUES (?, ?, ?, ?, ?, ?)"


def insert(connection: sqlite3.Connection, lane: int, items: Sequence[Item], now: float) -> None:
    """Stores all items or, at a conflict, none.

    :raises UidConflict: a uid is known with another body.
    """
    connection.execute("SAVEPOINT push")
    try:
        rows = [(lane, each.uid, each.kind, each.name, each.body, now) for each in items]
        if connection.executemany(_INSERT, rows).rowcount != len(rows):
            _meet_known_uids(connection, lane, items, now)
    except UidConflict:
        connection.execute("ROLLBACK TO push")
        raise
    finally:
        if connection.in_transaction:  # a full disk has rolled back everything already
            connection.execute("RELEASE push")


def _meet_known_uids(connection: sqlite3.Connection, lane: int, items: Sequence[Item], now: float) -> None:
    for item in items:
        kind, name, body = connection.execute("SELECT kind, name, body FROM item WHERE uid = ?", (item.uid,)).fetchone()
        if (kind, name, body) != (item.kind, item.name, item.body):
            raise UidConflict(item.uid)
    # A dead letter that is pushed again gets another chance, as a new push would.
    connection.executemany(
        "UPDATE item SET status = 'pending', lane = ?, attempts = 0, first_tried_at = NULL, settled_at = NULL,"
        " pushed_at = ? WHERE uid = ? AND status = 'dead'",
        [(lane, now, item.uid) for item in items],
    )


def cut(items: Iterable[Item], most: int, most_bytes: int) -> list[Item]:
    """The first of ``items`` that can travel in one request, at least one if there is any.

    Signals travel together; a start travels alone, in its place between them.
    """
    found: list[Item] = []
    total = 0
    for item in items:
        total += len(item.body)
        if found and (total > most_bytes or START in (found[0].kind, item.kind)):
            break
        found.append(item)
        if len(found) >= most:
            break
    return found


def batch(connection: sqlite3.Connection, lane: int, most: int, most_bytes: int) -> list[Item]:
    """The oldest pending items of a lane that can travel together, in push order."""
    rows = connection.execute(
        "SELECT uid, kind, name, body FROM item WHERE lane = ? AND status = 'pending' ORDER BY id LIMIT ?", (lane, most)
    )
    found = cut((Item(uid=uid, kind=kind, name=name, body=body) for uid, kind, name, body in rows), most, most_bytes)
    rows.close()  # an open cursor would keep the transaction from ending
    return found


def has_pending(connection: sqlite3.Connection, lanes: Iterable[int]) -> bool:
    """Whether anything of these lanes is still to be sent."""
    query = "SELECT 1 FROM item WHERE lane = ? AND status = 'pending' LIMIT 1"
    return any(connection.execute(query, (lane,)).fetchone() for lane in lanes)


def settle(
    connection: sqlite3.Connection, sent: Iterable[str], dead: Iterable[Refusal], now: float, answer: str | None
) -> None:
    """The engine has those of ``sent``; those of ``dead`` it will never take, each for its reason.

    :param answer: what a start was answered, the instance's id.
    """
    connection.executemany(
        "UPDATE item SET status = 'sent', settled_at = ?, answer = ?, attempts = attempts + 1,"
        " code = NULL, detail = NULL WHERE uid = ? AND status = 'pending'",
        [(now, answer, uid) for uid in sent],
    )
    connection.executemany(
        "UPDATE item SET status = 'dead', settled_at = ?, code = ?, detail = ?, attempts = attempts + 1"
        " WHERE uid = ? AND status = 'pending'",
        [(now, each.code, each.detail, each.uid) for each in dead],
    )


def mark_tried(connection: sqlite3.Connection, uids: Iterable[str], now: float, code: str, detail: str) -> None:
    """These were sent in vain and stay pending; the last reason is kept for a person to read."""
    connection.executemany(
        "UPDATE item SET attempts = attempts + 1, first_tried_at = coalesce(first_tried_at, ?), code = ?, detail = ?"
        " WHERE uid = ? AND status = 'pending'",
        [(now, code, detail, uid) for uid in uids],
    )


def first_tried_at(connection: sqlite3.Connection, uid: str) -> float | None:
    """When the item's first try failed, in seconds since 1970."""
    row = connection.execute("SELECT first_tried_at FROM item WHERE uid = ?", (uid,)).fetchone()
    return row[0] if row else None


def expire(connection: sqlite3.Connection, now: float) -> list[str]:
    """Dead-letters what is older than :data:`GIVE_UP`, at most ``PRUNE_ROWS``; returns the uids."""
    # By lane, so that the index of pending items serves; ids and times grow together.
    query = "SELECT uid FROM item WHERE lane = ? AND status = 'pending' AND pushed_at < ? ORDER BY id LIMIT ?"
    lanes = [row[0] for row in connection.execute("SELECT id FROM lane").fetchall()]
    uids = [row[0] for lane in lanes for row in connection.execute(query, (lane, now - GIVE_UP, PRUNE_ROWS)).fetchall()]
    detail = "not accepted for 7 days; the engine would no longer know whether it has it"
    settle(connection, [], [Refusal(uid=uid, code="expired", detail=detail) for uid in uids], now, None)
    return uids


def prune(connection: sqlite3.Connection, now: float) -> int:
    """Deletes settled items that were kept long enough; returns how many, at most twice ``PRUNE_ROWS``."""
    query = (
        "DELETE FROM item WHERE id IN"
        " (SELECT id FROM item WHERE status = ? AND settled_at < ? ORDER BY settled_at LIMIT ?)"
    )
    gone = 0
    for status, age in (("sent", KEEP_SENT), ("dead", KEEP_DEAD)):
        gone += connection.execute(query, (status, now - age, PRUNE_ROWS)).rowcount
    return gone


def stats(connection: sqlite3.Connection) -> Stats:
    """Counts over the whole file."""
    pending, oldest = connection.execute(
        "SELECT count(*), min(pushed_at) FROM item INDEXED BY item_pending WHERE status = 'pending'"
    ).fetchone()
    query = "SELECT count(*) FROM item WHERE status = ? AND settled_at IS NOT NULL"
    dead, sent = (connection.execute(query, (status,)).fetchone()[0] for status in ("dead", "sent"))
    since = None if oldest is None else datetime.fromtimestamp(oldest, UTC)
    return Stats(pending=pending, oldest=since, dead=dead, sent=sent)


def outcome(connection: sqlite3.Connection, uid: str) -> Outcome | None:
    """Where one item stands; ``None`` if the file does not know it (any more)."""
    row = connection.execute("SELECT status, attempts, code, detail, answer FROM item WHERE uid = ?", (uid,)).fetchone()
    if row is None:
        return None
    status, attempts, code, detail, answer = row
    return Outcome(status=status, attempts=attempts, code=code, detail=detail, answer=answer)
