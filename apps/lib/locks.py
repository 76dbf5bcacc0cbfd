"""Locks in the database.

Rows are locked in one order everywhere: instance, then waits, then calls, ids ascending. Two transactions that keep
it cannot wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from django.db import connection
from django.db.transaction import TransactionManagementError


def require_transaction(what: str) -> None:
    """Raises TransactionManagementError outside a transaction, where a lock would be gone at once."""
    if not connection.in_atomic_block:
        raise TransactionManagementError(
            f"{what} needs an open transaction: a lock taken outside one protects nothing."
        )


def advisory(name: str) -> None:
    """Wait until this transaction alone holds `name`; it is given back at the end of the transaction.

    SQLite needs nothing here: its transactions begin IMMEDIATE, so one writer runs at a time.
    """
    require_transaction(f"The lock {name!r}")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number(name)])


def try_advisory(name: str) -> bool:
    """Take `name` for this transaction if it is free; False when another transaction holds it."""
    require_transaction(f"The lock {name!r}")
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number(name)])
        return bool(cursor.fetchone()[0])


def number(name: str) -> int:
    """The signed 64-bit number by which PostgreSQL knows the lock."""
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), signed=True)


def ascending(ids: Iterable[int]) -> list[int]:
    """Each id once, in the order in which their rows may be locked."""
    return sorted(set(ids))
