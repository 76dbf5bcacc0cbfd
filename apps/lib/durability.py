"""Commits that need not wait for the disk."""

from __future__ import annotations

from django.db import connection

from apps.lib.locks import require_transaction


def may_be_redone() -> None:
    """Let the commit of this transaction return before it is on disk.

    For what the engine does again from its rows if a power cut takes it back: claims, what was matched, what was
    looked back for. A later commit that waits takes all earlier ones to the disk with it, so what depends on this
    is never there without it. SQLite has no such choice.
    """
    require_transaction("A commit that need not wait")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")
