"""Lanes: the unit of order and of ownership between processes.

Each running client has a lane of its own; what it pushes stands there in push
order, and exactly one process holds a lane and sends from it. When its holder is
gone another process takes the lane over as a whole. A lease on every row instead
would write each row once more, and let two processes send one pusher's items at
the same time, out of order.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from resumable.client.processes import is_gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A running client: a random name, and the process it runs in."""

    name: str
    process: str


class OwnLane:
    """The lane one client pushes into."""

    def __init__(self, holder: Holder, lease: float) -> None:
        self.holder = holder
        self._lease = lease
        self._number: int | None = None

    def number(self, connection: sqlite3.Connection, now: float) -> int:
        """The lane's id. It changes when the lane was lost: a process that slept longer
        than its lease must not push behind items that another one is sending."""
        query = "SELECT 1 FROM lane WHERE id = ? AND holder = ?"
        if self._number is None or not connection.execute(query, (self._number, self.holder.name)).fetchone():
            self._number = _open_lane(connection, self.holder, now + self._lease)
        return self._number

    def renew(self, connection: sqlite3.Connection, now: float) -> bool:
        """Extends the lease of all lanes held. False if the own one was lost:
        another process is sending what was pushed into it."""
        query = "UPDATE lane SET lease_until = ? WHERE holder = ?"
        connection.execute(query, (now + self._lease, self.holder.name))
        before = self._number
        return self.number(connection, now) == before or before is None


def _open_lane(connection: sqlite3.Connection, holder: Holder, until: float) -> int:
    query = "INSERT INTO lane (holder, process, lease_until) VALUES (?, ?, ?) RETURNING id"
    return int(connection.execute(query, (holder.name, holder.process, until)).fetchone()[0])


def held(connection: sqlite3.Connection, holder: Holder) -> list[int]:
    """The lanes of ``holder``, oldest first."""
    return [row[0] for row in connection.execute("SELECT id FROM lane WHERE holder = ? ORDER BY id", (holder.name,))]


def take_over(connection: sqlite3.Connection, holder: Holder, now: float, until: float) -> list[int]:
    """Takes the lanes with pending items whose holder is gone; returns them, oldest first."""
    rows = connection.execute(
        "SELECT id, holder, process, lease_until FROM lane WHERE holder IS NOT ? AND EXISTS"
        " (SELECT 1 FROM item WHERE item.lane = lane.id AND item.status = 'pending') ORDER BY id",
        (holder.name,),
    ).fetchall()
    taken = [lane for lane, held_by, process, lease in rows if held_by is None or lease < now or is_gone(process)]
    connection.executemany(
        "UPDATE lane SET holder = ?, process = ?, lease_until = ? WHERE id = ?",
        [(holder.name, holder.process, until, lane) for lane in taken],
    )
    return taken


def release(connection: sqlite3.Connection, holder: Holder) -> None:
    """Gives all lanes of ``holder`` free at once: what a client does when it is closed."""
    connection.execute("UPDATE lane SET holder = NULL WHERE holder = ?", (holder.name,))


def sweep(connection: sqlite3.Connection, now: float) -> None:
    """Deletes lanes that nobody holds and that hold nothing."""
    connection.execute(
        "DELETE FROM lane WHERE (holder IS NULL OR lease_until < ?)"
        " AND NOT EXISTS (SELECT 1 FROM item WHERE item.lane = lane.id AND item.status = 'pending')",
        (now,),
    )
