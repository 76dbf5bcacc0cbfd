"""A lock between the processes that share one outbox."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

try:
    import fcntl
except ImportError:  # Windows: the outbox then does without WAL, see outbox.py
    fcntl = None  # type: ignore[assignment]  # not on every system

#: Whether :class:`FileLock` locks anything here.
AVAILABLE = fcntl is not None


class FileLock:
    """Exclusive while entered; the kernel gives it back when its holder dies.

    ``flock`` and not a lock on the database file itself: closing any descriptor of
    that file would drop the POSIX locks SQLite holds on it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def __enter__(self) -> None:
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Gives the descriptor back.

        Also right in a forked child: the lock belongs to the open file that parent
        and child share, so unlocking there would unlock the parent; closing does not.
        """
        os.close(self._descriptor)
