"""The outbox file: who may open it, and how it is kept."""

from __future__ import annotations

import os
import sqlite3
import stat
from pathlib import Path

import pytest

from resumable.client import outbox as outboxes
from resumable.client.errors import OutboxUnusable
from resumable.client.outbox import FORMAT, Outbox, journal_mode, reading, wal_is_sound


def test_the_file_and_what_is_beside_it_are_private(path: Path) -> None:
    path.touch(mode=0o644)
    opened = Outbox(path, "orders")
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    opened.close()
    assert set(modes) == {f"orders.sqlite3{end}" for end in ("", "-wal", "-shm", ".lock")}
    assert set(modes.values()) == {0o600}


def test_missing_folders_are_made(tmp_path: Path) -> None:
    Outbox(tmp_path / "a" / "b" / "o.sqlite3", "orders").close()
    assert (tmp_path / "a" / "b" / "o.sqlite3").exists()


def test_the_file_says_what_it_is(outbox: Outbox) -> None:
    assert outbox.connection.execute("PRAGMA application_id").fetchone() == (0x52534F42,)
    assert outbox.connection.execute("PRAGMA user_version").fetchone() == (FORMAT,)


def test_a_commit_is_synced(outbox: Outbox) -> None:
    assert outbox.connection.execute("PRAGMA synchronous").fetchone() == (2,)
    assert outbox.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_wal_needs_a_sound_sqlite_or_our_lock(version: tuple[int, int, int], sound: bool) -> None:
    assert wal_is_sound(version) is sound
    assert journal_mode(version, locked=True) == "WAL"
    assert journal_mode(version, locked=False) == ("WAL" if sound else "TRUNCATE")


def test_another_service_is_refused(path: Path, outbox: Outbox) -> None:
    with pytest.raises(OutboxUnusable, match="outbox of service 'orders', not of 'payments'"):
        Outbox(path, "payments")


def test_a_later_format_is_left_alone(path: Path, outbox: Outbox) -> None:
    outbox.connection.execute("PRAGMA user_version = 2")
    with pytest.raises(OutboxUnusable, match="format 2, this release knows 1"):
        Outbox(path, "orders")


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as foreign:
        foreign.execute("CREATE TABLE bookmark (url TEXT)")
    foreign.close()
    with pytest.raises(OutboxUnusable, match="another program"):
        Outbox(path, "orders")


def test_a_file_that_is_no_database_is_left_as_it_is(path: Path) -> None:
    path.write_bytes(b"not a database, but a letter\n" * 100)
    with pytest.raises(OutboxUnusable, match="move it aside"):
        Outbox(path, "orders")
    assert path.read_bytes().startswith(b"not a database")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_write_permission_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutboxUnusable, match="cannot be opened"):
        Outbox(tmp_path / "o.sqlite3", "orders")


def test_an_old_sqlite_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "OLDEST_SQLITE", (4, 0, 0))
    with pytest.raises(OutboxUnusable, match="older than"):
        Outbox(path, "orders")


def test_a_failed_transaction_leaves_nothing(outbox: Outbox) -> None:
    def work() -> None:
        outbox.connection.execute("INSERT INTO owner VALUES ('twice')")
        raise KeyError

    with pytest.raises(KeyError):
        outbox.transaction(work)
    assert outbox.connection.execute("SELECT count(*) FROM owner").fetchone() == (1,)


def test_a_reader_cannot_write(path: Path, outbox: Outbox) -> None:
    with reading(path) as reader, pytest.raises(outboxes.sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM owner")


def test_the_limit_leaves_room_for_marking(path: Path) -> None:
    small = Outbox(path, "orders", size_limit=256 << 10)
    assert small.has_room()
    small.connection.execute("INSERT INTO declaration VALUES ('x', ?, 0)", ("y" * (190 << 10),))
    assert not small.has_room()
    small.close()
