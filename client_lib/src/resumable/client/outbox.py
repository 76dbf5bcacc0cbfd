"""The outbox file: opening it safely. What its tables mean: ``docs/reference/outbox.md``.

One connection a process, used by its writer thread alone, and every transaction
under the file lock. Both together keep WAL safe on SQLite before 3.51.3, where a
checkpoint that overlaps another connection's commit can lose committed pages:
under the lock no two of them ever overlap.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from resumable.client import filelock
from resumable.client.errors import OutboxUnusable

T = TypeVar("T")

#: Held while SQLite works. A fork waits for it: a child would inherit SQLite's own
#: mutexes as they are at that moment, and hang on one that was locked.
_AT_WORK = threading.Lock()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_AT_WORK.acquire, after_in_parent=_AT_WORK.release, after_in_child=_AT_WORK.release)

#: "RSOB", in the header of every outbox file.
APPLICATION_ID = 0x52534F42

#: Number of the format below. A file with a higher one is left alone.
FORMAT = 1

#: Older ones know neither STRICT tables nor RETURNING.
OLDEST_SQLITE = (3, 37, 0)

#: Bytes the file may grow to unless the client is told otherwise.
SIZE_LIMIT = 1 << 30

#: Milliseconds a transaction waits for a foreign program that holds the file.
BUSY_TIMEOUT = 10_000

_SCHEMA = """
CREATE TABLE owner (service TEXT NOT NULL) STRICT;
CREATE TABLE credential (
    key_id TEXT PRIMARY KEY, key TEXT NOT NULL, made_at REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE declaration (
    name TEXT PRIMARY KEY, body TEXT NOT NULL, declared_at REAL
) STRICT, WITHOUT ROWID;
CREATE TABLE lane (
    id INTEGER PRIMARY KEY AUTOINCREMENT, holder TEXT, process TEXT NOT NULL, lease_until REAL NOT NULL
) STRICT;
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT, lane INTEGER NOT NULL, uid TEXT NOT NULL UNIQUE, kind TEXT NOT NULL,
    name TEXT NOT NULL, body BLOB NOT NULL, pushed_at REAL NOT NULL, status TEXT NOT NULL DEFAULT 'pending',
    attempts INTEGER NOT NULL DEFAULT 0, first_tried_at REAL, settled_at REAL, code TEXT, detail TEXT, answer TEXT
) STRICT;
-- The next batch of a lane, and whether a lane has anything left.
CREATE INDEX item_pending ON item (lane, id) WHERE status = 'pending';
-- Pruning by age, and counting what is sent and dead.
CREATE INDEX item_settled ON item (status, settled_at) WHERE settled_at IS NOT NULL;
"""


def wal_is_sound(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the fix of the WAL-reset fault: 3.51.3, and 3.50.7 and 3.44.6 of older lines."""
    return version >= (3, 51, 3) or (3, 50, 7) <= version < (3, 51) or (3, 44, 6) <= version < (3, 45)


def journal_mode(version: tuple[int, int, int] = sqlite3.sqlite_version_info, locked: bool = filelock.AVAILABLE) -> str:
    """WAL where it is safe: a sound SQLite, or our own lock around every transaction."""
    return "WAL" if locked or wal_is_sound(version) else "TRUNCATE"


class Outbox:
    """An open outbox file, owned by the thread that made it.

    :raises OutboxUnusable: the file is another service's, another program's, of a
        later format, damaged, or cannot be made.
    """

    def __init__(self, path: Path, service: str, *, size_limit: int = SIZE_LIMIT) -> None:
        self.path = path
        self._limit = size_limit
        try:
            _make_private(path)
            self._lock = filelock.FileLock(path.with_name(path.name + ".lock"))
        except OSError as error:
            raise OutboxUnusable(f"the outbox {path} cannot be opened: {error}") from error
        with self._lock, _AT_WORK:
            self.connection = self._connect(service)

    def _connect(self, service: str) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_TIMEOUT / 1000)
        try:
            _prepare(connection, self._limit)
            _claim(connection, self.path, service)
        except (sqlite3.Error, OutboxUnusable) as error:
            connection.close()
            if isinstance(error, OutboxUnusable):
                raise
            raise OutboxUnusable(
                f"the outbox {self.path} cannot be used: {error}; move it aside to start with an empty one"
            ) from error
        return connection

    def transaction(self, work: Callable[[], T]) -> T:
        """Runs ``work`` in one durable transaction: when this returns, a power cut loses nothing of it."""
        with self._lock, _AT_WORK:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                result = work()
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        return result

    def has_room(self) -> bool:
        """False from nine tenths of the limit on: the rest is for marking items as sent."""
        pages, free, size = (self._number(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size"))
        return (pages - free) * size < self._limit * 0.9

    def _number(self, query: str) -> int:
        return int(self.connection.execute(query).fetchone()[0])

    def close(self) -> None:
        """Closes the file; the last process to do so also folds the WAL into it."""
        with self._lock, _AT_WORK:
            self.connection.close()
        self._lock.close()

    def forsake(self) -> sqlite3.Connection:
        """For a forked child: lets go of the lock, and returns the connection to be kept for ever.

        Closing it, or letting it be collected, would write to a file that is the parent's.
        """
        self._lock.close()
        return self.connection


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that can neither write nor checkpoint."""
    with _AT_WORK:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT / 1000)
        try:
            yield connection
        finally:
            connection.close()


def _make_private(path: Path) -> None:
    # Before SQLite makes it: the file holds the service's key, and -wal and -shm inherit its mode.
    path.parent.mkdir(parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        path.chmod(0o600)


def _prepare(connection: sqlite3.Connection, limit: int) -> None:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise sqlite3.OperationalError(f"SQLite {sqlite3.sqlite_version} is older than 3.37")
    # Only takes effect before the first table exists; gives space back without a long VACUUM.
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    mode = journal_mode()
    found = connection.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0]
    if found.upper() != mode:
        raise sqlite3.OperationalError(f"journal mode {mode} was refused, {found} is in force")
    # NORMAL does not sync at a commit in WAL: a power cut would take back pushes that returned.
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    connection.execute(f"PRAGMA max_page_count = {max(16, limit // size)}")


def _claim(connection: sqlite3.Connection, path: Path, service: str) -> None:
    identity = connection.execute("PRAGMA application_id").fetchone()[0]
    number = connection.execute("PRAGMA user_version").fetchone()[0]
    if identity == 0 and number == 0 and not connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
        _create(connection, service)
        return
    if identity != APPLICATION_ID:
        raise OutboxUnusable(f"{path} is a database of another program; give the client a file of its own")
    if number > FORMAT:
        raise OutboxUnusable(f"{path} has format {number}, this release knows {FORMAT}: upgrade the library")
    owner = connection.execute("SELECT service FROM owner").fetchone()[0]
    if owner != service:
        raise OutboxUnusable(f"{path} is the outbox of service {owner!r}, not of {service!r}; give each its own file")


def _create(connection: sqlite3.Connection, service: str) -> None:
    script = f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {FORMAT};"
    connection.executescript(script)
    connection.execute("INSERT INTO owner VALUES (?)", (service,))
    connection.execute("COMMIT")
