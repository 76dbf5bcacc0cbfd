"""The statements that are hot, behind one small interface: portable, and set-based on PostgreSQL."""

from __future__ import annotations

from apps.execution.store.base import Store
from apps.execution.store.portable import PortableStore
from apps.execution.store.postgres import PostgresStore
from apps.lib import bulk

__all__ = ["PortableStore", "PostgresStore", "Store", "store"]


def store() -> Store:
    """The store for the database in use."""
    return PostgresStore() if bulk.is_postgres() else PortableStore()
