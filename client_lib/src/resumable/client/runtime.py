"""What a client has running in one process: writer, dispatcher and what they share."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

from resumable.client import items
from resumable.client.delivery import Delivery
from resumable.client.dispatcher import Dispatcher
from resumable.client.items import Item
from resumable.client.lanes import Holder, OwnLane, release
from resumable.client.mailbox import Mailbox
from resumable.client.pace import Pace
from resumable.client.processes import identity
from resumable.client.registration import Registration
from resumable.client.transport import Transport
from resumable.client.writer import Writer

#: Seconds :meth:`Runtime.close` waits for a thread: a request on its way may be stuck.
JOIN_TIMEOUT = 2.0


class Runtime:
    """Two threads and an open file. A forked child makes a new one."""

    def __init__(
        self,
        *,
        service: str,
        engine: str,
        path: Path,
        token: str | None,
        pace: Pace,
        size_limit: int,
        memory_items: int,
    ) -> None:
        self.writer = Writer(path, service, size_limit=size_limit)
        self.writer.start()
        self.mailbox = Mailbox(memory_items)
        self._lane = OwnLane(Holder(name=secrets.token_hex(8), process=identity()), pace.lease)
        self._transport = Transport(engine, pace)
        self.registration = Registration(service, token, self.writer, self._transport, path)
        self.dispatcher = Dispatcher(
            writer=self.writer,
            mailbox=self.mailbox,
            lane=self._lane,
            registration=self.registration,
            delivery=Delivery(self._transport, self.registration),
            pace=pace,
        )
        self.dispatcher.start()

    def push(self, made: Sequence[Item]) -> Future[None]:
        """To the file and to the dispatcher at once; the future is done when the file has it."""
        now = time.time()
        return self.mailbox.offer(
            made,
            lambda: self.writer.submit(
                lambda connection: items.insert(connection, self._lane.number(connection, now), made, now), grows=True
            ),
            direct=not any(each.chosen for each in made),
        )

    def close(self, timeout: float) -> None:
        """Waits up to ``timeout`` seconds for what is pending, then ends both threads."""
        if timeout > 0:
            self.dispatcher.drained(timeout, give_up=lambda: self.dispatcher.failing)
        self.mailbox.stop()
        self._transport.close()
        self.dispatcher.stop(JOIN_TIMEOUT)
        self.writer.submit(lambda connection: release(connection, self._lane.holder))
        self.writer.close(JOIN_TIMEOUT)

    def forsake(self) -> object:
        """In a forked child: what must stay alive, unused."""
        return self, self.writer.forsake()
