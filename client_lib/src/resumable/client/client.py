"""What a service author uses: push signals and start workflows, durably."""

from __future__ import annotations

import asyncio
import atexit
import os
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec

from resumable.client import items
from resumable.client.errors import ClientClosed, OutboxBusy, PayloadTooLarge, PushFailed
from resumable.client.items import Item, Outcome, Stats
from resumable.client.outbox import SIZE_LIMIT, reading
from resumable.client.pace import Pace
from resumable.client.registration import store_declaration
from resumable.client.runtime import Runtime
from resumable.wire.bodies import SignalItem, StartRequest
from resumable.wire.schema import json_schema
from resumable.wire.uids import checked_uid, new_uid

T = TypeVar("T")

#: Bytes of one item as JSON. More belongs into a store, and its address into the signal.
BODY_LIMIT = 1 << 20

#: Seconds a push waits for its commit before it fails as :class:`OutboxBusy`.
COMMIT_TIMEOUT = 10.0

#: Items that may wait in memory for the dispatcher; further ones go through the file alone.
MEMORY_ITEMS = 10_000

#: Seconds that leaving a ``with`` block waits for what is pending, while the engine answers.
GRACE = 5.0

_SERVICE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}")


class WorkflowClient:
    """A service's connection to the engine, over a local outbox.

    :param service: the name the engine knows the service by.
    :param engine: address of the engine, ``http://host:port``.
    :param outbox: path of the SQLite file; processes of one service may share it.
    :param enrol: the enrolment token an operator made; needed once, until the file holds a key.
    :param signals: signal classes to declare at once; others are declared when first pushed.
    :param size_limit: bytes the file may grow to.
    :raises OutboxUnusable: the file cannot be opened or is not this service's.

    Sending begins at once, with what an earlier run has left in the file. Safe for
    many threads, and for use in a process that forks.
    """

    def __init__(
        self,
        service: str,
        *,
        engine: str,
        outbox: str | os.PathLike[str],
        enrol: str | None = None,
        signals: Iterable[type[Any]] = (),
        pace: Pace | None = None,
        size_limit: int = SIZE_LIMIT,
    ) -> None:
        if not _SERVICE.fullmatch(service):
            raise ValueError(f"a service is named by up to 100 of A-Z a-z 0-9 _ . -, not {service!r}")
        if not engine.startswith(("http://", "https://")):
            raise ValueError(f"the engine's address begins with http:// or https://, unlike {engine!r}")
        self.service = service
        self.engine = engine
        self._path = Path(outbox).absolute()
        self._enrol = enrol
        self._pace = pace or Pace()
        self._size_limit = size_limit
        self._known: dict[str, type[Any]] = {}
        self._gate = threading.Lock()
        self._closed = False
        self._runtime: Runtime | None = None
        self._running()
        _CLIENTS.add(self)
        try:
            self._declare(signals)
        except BaseException:
            self.close()
            raise

    def push(
        self,
        signal: Any,
        *,
        uid: str | None = None,
        occurred_at: datetime | None = None,
        correlation_id: str | None = None,
    ) -> str:
        """Stores ``signal`` and returns its uid; it will reach the engine.

        :param uid: names this fact for ever; pushing it again changes nothing. Made up if not given.
        :param occurred_at: when it happened, with a time zone, if that is not now.
        :param correlation_id: any text of yours to find related signals by.
        :raises PushFailed: not stored, as far as is known; push again with the error's uid.
        :raises UidConflict: the uid was used for something else.
        """
        item = self._signal_item(signal, uid, occurred_at, correlation_id)
        self._commit([item], [type(signal)])
        return item.uid

    def push_many(self, signals: Iterable[Any]) -> list[str]:
        """Stores all ``signals`` in one commit, or none; returns their uids."""
        pushed = list(signals)
        made = [self._signal_item(each, None, None, None) for each in pushed]
        if made:
            self._commit(made, {type(each) for each in pushed})
        return [item.uid for item in made]

    async def apush(
        self,
        signal: Any,
        *,
        uid: str | None = None,
        occurred_at: datetime | None = None,
        correlation_id: str | None = None,
    ) -> str:
        """:meth:`push` for a coroutine: other tasks run while the commit does.

        A task that is cancelled in here may have pushed all the same.
        """
        item = self._signal_item(signal, uid, occurred_at, correlation_id)
        try:
            stored = asyncio.wrap_future(self._store([item], [type(signal)]))
            await asyncio.wait_for(stored, COMMIT_TIMEOUT)
        except (PushFailed, TimeoutError) as error:
            raise self._push_error(error, [item]) from error
        return item.uid

    def start(self, workflow: str | type[Any], *args: Any, key: str | None = None, uid: str | None = None) -> str:
        """Stores the wish to start ``workflow`` and returns its uid; durable and in order, as a push is.

        :param workflow: its name, or its class.
        :param args: the arguments of its ``run``; msgspec must know them.
        :param key: the instance's key, if it is not to be computed from the first argument.
        :param uid: names this start for ever; starting it again changes nothing.

        Whether it was started says :meth:`outcome`; a key that is live already makes it a dead letter.
        """
        made = checked_uid(uid) if uid is not None else new_uid()
        name = workflow if isinstance(workflow, str) else _workflow_name(workflow)
        body = msgspec.json.encode(StartRequest(args=list(args), key=key, uid=made))
        whole = _within_limit(body, name)
        item = Item(uid=made, kind=items.START, name=name, body=whole, chosen=uid is not None)
        self._commit([item], ())
        return made

    def outcome(self, uid: str) -> Outcome | None:
        """What became of a push or a start, for as long as the file keeps it (sent: a day, dead: a week)."""
        return self._look(lambda connection: items.outcome(connection, uid))

    def stats(self) -> Stats:
        """Pending, oldest, dead and sent, over the whole file and so over all processes that share it."""
        return self._look(items.stats)

    def flush(self, timeout: float = 30.0) -> bool:
        """Waits until the engine has what was pushed in this process; False if it has not after ``timeout`` seconds."""
        return self._running().dispatcher.drained(timeout)

    def close(self, timeout: float = 0.0) -> None:
        """Ends the threads and closes the file. What is not sent is sent by the next client on this file.

        :param timeout: seconds to wait for what is pending, unless the engine does not answer.
        """
        with self._gate:
            runtime, self._runtime, self._closed = self._runtime, None, True
        _CLIENTS.discard(self)
        if runtime is not None:
            runtime.close(timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(GRACE)

    def _signal_item(
        self, signal: Any, uid: str | None, occurred_at: datetime | None, correlation_id: str | None
    ) -> Item:
        if not isinstance(signal, msgspec.Struct):
            raise TypeError(f"push a signal, not {type(signal).__name__}: {signal!r:.80}")
        if occurred_at is not None and occurred_at.tzinfo is None:
            raise ValueError("occurred_at has no time zone: datetime.now(UTC) has one")
        name = signal_name(type(signal))
        made = checked_uid(uid) if uid is not None else new_uid()
        payload = msgspec.Raw(msgspec.json.encode(signal))
        body = msgspec.json.encode(SignalItem(made, name, payload, occurred_at, correlation_id))
        whole = _within_limit(body, name)
        return Item(uid=made, kind=items.SIGNAL, name=name, body=whole, chosen=uid is not None)

    def _store(self, made: Sequence[Item], classes: Iterable[type[Any]]) -> Future[None]:
        runtime = self._running()
        self._declare(classes)
        return runtime.push(made)

    def _commit(self, made: Sequence[Item], classes: Iterable[type[Any]]) -> None:
        try:
            self._store(made, classes).result(COMMIT_TIMEOUT)
        except (PushFailed, FutureTimeout) as error:
            raise self._push_error(error, made) from error

    def _push_error(self, error: Exception, made: Sequence[Item]) -> PushFailed:
        uids = [each.uid for each in made]
        if not isinstance(error, PushFailed):
            return OutboxBusy(f"{self._path} was not written for {COMMIT_TIMEOUT:.0f} s", uids=uids)
        self._running().mailbox.withdraw(frozenset(uids))
        return type(error)(str(error), uids=uids)

    def _declare(self, classes: Iterable[type[Any]]) -> None:
        fresh = [each for each in classes if self._known.get(signal_name(each)) is not each]
        if not fresh:
            return
        with self._gate:
            for each in fresh:
                self._declare_one(each)

    def _declare_one(self, signal_class: type[Any]) -> None:
        name = signal_name(signal_class)
        known = self._known.get(name)
        if known is not None and known is not signal_class:
            raise ValueError(f"two signal classes of one name {name!r}: {known!r} and {signal_class!r}")
        deliver = getattr(signal_class, "__signal_deliver__", "all")
        body = msgspec.json.encode({"schema": json_schema(signal_class), "deliver": deliver}, order="sorted").decode()
        runtime = self._runtime
        if runtime is None:
            raise ClientClosed("the client is closed; make a new one")
        stored = runtime.writer.submit(lambda connection: store_declaration(connection, name, body), grows=True)
        stored.result(COMMIT_TIMEOUT)
        runtime.registration.changed()
        self._known[name] = signal_class

    def _look(self, look: Callable[[sqlite3.Connection], T]) -> T:
        self._running()
        with reading(self._path) as connection:
            return look(connection)

    def _running(self) -> Runtime:
        runtime = self._runtime
        if runtime is not None:
            return runtime
        with self._gate:
            if self._closed:
                raise ClientClosed("the client is closed; make a new one")
            if self._runtime is None:
                self._runtime = Runtime(
                    service=self.service,
                    engine=self.engine,
                    path=self._path,
                    token=self._enrol,
                    pace=self._pace,
                    size_limit=self._size_limit,
                    memory_items=MEMORY_ITEMS,
                )
            return self._runtime

    def _after_fork(self) -> None:
        """In a child: no thread has come along, and the file's connection is the parent's."""
        self._gate = threading.Lock()
        if self._runtime is not None:
            _FORSAKEN.append(self._runtime.forsake())
            self._runtime = None


def signal_name(signal_class: type[Any]) -> str:
    """The wire name of a signal class."""
    return str(getattr(signal_class, "__signal_name__", signal_class.__name__))


def _workflow_name(workflow: type[Any]) -> str:
    definition = getattr(workflow, "__resumable__", None)
    return str(definition.name if definition is not None else workflow.__name__)


def _within_limit(body: bytes, name: str) -> bytes:
    if len(body) > BODY_LIMIT:
        raise PayloadTooLarge(f"{name}: {len(body)} bytes as JSON, {BODY_LIMIT} are allowed")
    return body


#: All that are open. Not weak: the threads of a client that was dropped go on, and a
#: child that is forked then must be told of its file all the same.
_CLIENTS: set[WorkflowClient] = set()

#: What forked children have from their parents: kept, because collecting an SQLite
#: connection closes it, and closing it in a child damages the parent's file.
_FORSAKEN: list[object] = []


def _forsake_all() -> None:
    for client in list(_CLIENTS):
        client._after_fork()


def _close_all() -> None:
    for client in list(_CLIENTS):
        client.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forsake_all)
atexit.register(_close_all)
