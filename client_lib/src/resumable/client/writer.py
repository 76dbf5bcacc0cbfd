"""The one thread that touches the outbox file, and commits in groups.

A commit costs an fsync however little it holds, so whatever has queued up while
one commit ran goes into the next one together.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from resumable.client.errors import ClientClosed, ClientError, OutboxBroken, OutboxBusy, OutboxFull
from resumable.client.outbox import Outbox

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Operations in one commit. More would let the first ones wait for the last.
GROUP = 1_000

#: Operations that may wait. Each waiting thread or task has one in here.
WAITING = 50_000


@dataclass(slots=True)
class _Operation(Generic[T]):
    work: Callable[[sqlite3.Connection], T]
    future: Future[T]
    grows: bool


class Writer:
    """Runs operations on the outbox in the order they were submitted.

    What an operation raises of :class:`ClientError` is its own affair: the others
    of its group are committed. Anything else undoes the group.
    """

    def __init__(self, path: Path, service: str, *, size_limit: int) -> None:
        self._path = path
        self._service = service
        self._size_limit = size_limit
        self._queue: queue.SimpleQueue[_Operation[Any] | None] = queue.SimpleQueue()
        self._outbox: Outbox | None = None
        self._closed = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=f"outbox-writer-{service}", daemon=True)

    def start(self) -> None:
        """Opens the file, in the thread that will use it, and returns when it is open.

        :raises OutboxUnusable: see :class:`Outbox`.
        """
        opened: Future[None] = Future()
        self._opened = opened
        self._thread.start()
        opened.result()

    def submit(self, work: Callable[[sqlite3.Connection], T], *, grows: bool = False) -> Future[T]:
        """Queues ``work``; the future is done when it is committed.

        :param grows: it needs room in the file, and is refused when that runs short.
        :raises ClientClosed: after :meth:`close`.
        :raises OutboxBusy: the writer is too far behind.
        """
        operation: _Operation[T] = _Operation(work, Future(), grows)
        # From now on it cannot be cancelled: a task that is cancelled while it awaits
        # the future must not leave the writer with a future it may not complete.
        operation.future.set_running_or_notify_cancel()
        with self._gate:
            if self._closed:
                raise ClientClosed("the client is closed; make a new one")
            if self._queue.qsize() >= WAITING:
                raise OutboxBusy(f"{WAITING} operations wait for the outbox {self._path}; push more slowly")
            self._queue.put(operation)
        return operation.future

    def close(self, timeout: float | None = None) -> None:
        """Commits what was submitted, closes the file and ends the thread."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join(timeout)

    def forsake(self) -> object:
        """In a forked child: what must be kept alive there, and never be used."""
        return self._outbox and self._outbox.forsake(), self

    def _run(self) -> None:
        try:
            outbox = self._outbox = Outbox(self._path, self._service, size_limit=self._size_limit)
        except BaseException as error:
            self._opened.set_exception(error)
            return
        self._opened.set_result(None)
        last = False
        while not last:
            group, last = self._next_group()
            if group:
                self._commit(outbox, group)
        outbox.close()

    def _next_group(self) -> tuple[list[_Operation[Any]], bool]:
        group: list[_Operation[Any]] = []
        operation = self._queue.get()
        while operation is not None:
            group.append(operation)
            if len(group) >= GROUP:
                return group, False
            try:
                operation = self._queue.get_nowait()
            except queue.Empty:
                return group, False
        return group, True

    def _commit(self, outbox: Outbox, group: list[_Operation[Any]]) -> None:
        try:
            results = outbox.transaction(lambda: self._results(outbox, group))
        except BaseException as error:
            self._fail(outbox, group, self._failure(error))
            return
        for each, (value, refusal) in zip(group, results, strict=True):
            if refusal is not None:
                each.future.set_exception(refusal)
            else:
                each.future.set_result(value)

    def _fail(self, outbox: Outbox, group: list[_Operation[Any]], failure: ClientError) -> None:
        # What takes no room is tried once more without what does: on a full disk
        # the marks "sent" must still get through.
        frugal = [each for each in group if not each.grows]
        failed = [each for each in group if each.grows] if isinstance(failure, OutboxFull) else group
        for each in failed:
            each.future.set_exception(failure)
        if failed and frugal and failed is not group:
            self._commit(outbox, frugal)
        elif failed is not group:
            for each in frugal:
                each.future.set_exception(failure)

    def _results(self, outbox: Outbox, group: list[_Operation[Any]]) -> list[tuple[Any, ClientError | None]]:
        room = outbox.has_room() if any(each.grows for each in group) else True
        return [self._result(outbox, each, room) for each in group]

    def _result(self, outbox: Outbox, operation: _Operation[Any], room: bool) -> tuple[Any, ClientError | None]:
        if operation.grows and not room:
            return None, OutboxFull(f"the outbox {self._path} is full: the engine was away too long, or its limit low")
        try:
            return operation.work(outbox.connection), None
        except ClientError as error:
            return None, error

    def _failure(self, error: BaseException) -> ClientError:
        logger.error("outbox_commit_failed path=%s error=%r", self._path, error)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            return OutboxFull(f"the disk of {self._path} is full, or the file is at its limit")
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return OutboxBusy(f"another program holds {self._path}: {error}")
        return OutboxBroken(f"the outbox {self._path} cannot be written: {error}")
