"""The thread that brings pushed items to the engine.

It takes a batch from memory or from the file, sends it, and notes the result in the
file. Whatever goes wrong, the file is right: memory is thrown away and the file is
read again, so nothing here has to be kept over a failure.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from sqlite3 import Connection
from typing import TypeVar

from resumable.client import items, lanes
from resumable.client.delivery import Delivery, Report
from resumable.client.errors import ClientClosed, NotEnrolled, PushFailed
from resumable.client.items import Item
from resumable.client.lanes import OwnLane
from resumable.client.mailbox import Mailbox
from resumable.client.pace import Pace, delay
from resumable.client.registration import Registration
from resumable.client.transport import EngineAway
from resumable.client.writer import Writer
from resumable.wire.bodies import MOST_ITEMS

logger = logging.getLogger(__name__)

T = TypeVar("T")

#: Bytes of bodies in one batch, well under the engine's limit of 4 MiB a request.
BATCH_BYTES = 2 << 20

#: Pages of the file given back to the disk after a pruning.
VACUUM_PAGES = 1_000


class Dispatcher:
    """Drains the lanes this client holds, one batch at a time, in order."""

    def __init__(
        self,
        *,
        writer: Writer,
        mailbox: Mailbox,
        lane: OwnLane,
        registration: Registration,
        delivery: Delivery,
        pace: Pace,
    ) -> None:
        self._writer = writer
        self._mailbox = mailbox
        self._lane = lane
        self._registration = registration
        self._delivery = delivery
        self._pace = pace
        self._most = MOST_ITEMS
        self._failures = 0
        self._not_before = 0.0
        self._inherited = False
        self._looked_around = False
        self._redeclared: set[str] = set()
        self._own_turn = False
        self._due = {"renew": 0.0, "take_over": 0.0, "prune": 0.0}
        self._progress = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="outbox-dispatcher", daemon=True)

    def start(self) -> None:
        """Begins to send."""
        self._thread.start()

    def stop(self, timeout: float | None) -> None:
        """Ends after the request on its way; what is not sent stays in the file."""
        self._mailbox.stop()
        with self._progress:
            self._progress.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout)

    @property
    def failing(self) -> bool:
        """Whether the last try failed."""
        return self._failures > 0

    def drained(self, timeout: float, *, give_up: Callable[[], bool] = lambda: False) -> bool:
        """Waits until all lanes held here are empty, those left by ended processes too;
        False after ``timeout`` seconds or when ``give_up()``."""
        deadline = time.monotonic() + timeout
        while not self._looked_around or self._has_pending():
            left = deadline - time.monotonic()
            if left <= 0 or self._mailbox.stopped() or give_up():
                return False
            with self._progress:
                self._progress.wait(min(left, self._pace.poll))
        return True

    def _run(self) -> None:
        while not self._mailbox.stopped():
            try:
                pause = self._turn()
            except ClientClosed:
                return
            except Exception as error:
                if self._mailbox.stopped():
                    return
                # A fault of the library must not end the thread: pushes would pile up unseen.
                logger.exception("dispatcher_failed")
                pause = self._failed([], EngineAway(repr(error)))
            with self._progress:
                self._progress.notify_all()
            if pause > 0:
                self._mailbox.wait(pause, for_items=self._failures == 0)

    def _turn(self) -> float:
        """One batch. Returns the seconds to wait before the next turn."""
        self._keep_house()
        waiting = self._not_before - time.monotonic()
        if waiting > 0:
            return min(waiting, self._pace.lease / 4)
        batch: Sequence[Item] = []
        try:
            batch = self._next_batch()
            if not batch:
                return min(self._pace.poll, self._pace.lease / 4)
            self._registration.declare()
            report = self._delivery.send(batch, self._registration.credential())
        except (EngineAway, NotEnrolled, PushFailed) as error:
            return self._failed(batch, error)
        return self._settled(batch, report)

    def _next_batch(self) -> list[Item]:
        # By turns, so that neither a long inheritance nor steady pushing starves the other.
        self._own_turn = not self._own_turn
        if self._inherited and not self._own_turn:
            return self._inherited_batch() or self._own_batch()
        return self._own_batch() or (self._inherited_batch() if self._inherited else [])

    def _inherited_batch(self) -> list[Item]:
        found = self._in_file(lambda connection: self._read(connection, own=False))
        self._inherited = bool(found)
        return found

    def _own_batch(self) -> list[Item]:
        if self._mailbox.direct:
            return self._mailbox.take(self._most, BATCH_BYTES)
        pushes = self._mailbox.pushes()
        found = self._in_file(lambda connection: self._read(connection, own=True))
        if not found and self._mailbox.reopen(pushes):
            return self._mailbox.take(self._most, BATCH_BYTES)
        return found

    def _read(self, connection: Connection, *, own: bool) -> list[Item]:
        number = self._lane.number(connection, time.time())
        held = [number] if own else [each for each in lanes.held(connection, self._lane.holder) if each != number]
        for lane in held:
            if found := items.batch(connection, lane, self._most, BATCH_BYTES):
                return found
        return []

    def _settled(self, batch: Sequence[Item], report: Report) -> float:
        now = time.time()
        again = self._declared_again(batch, report)
        refusals = [each for each in report.refused if each.uid not in again]
        self._insist(lambda connection: items.settle(connection, report.sent, refusals, now, report.answer))
        for each in refusals:
            logger.error("dead_letter uid=%s code=%s detail=%s", each.uid, each.code, each.detail)
        if len(report.sent) + len(refusals) < len(batch):
            self._mailbox.shut()  # the rest is still pending, and comes before what memory holds
        full = len(batch) >= self._most
        self._most = report.most or min(MOST_ITEMS, self._most * 2)
        self._failures = 0
        if not full:
            self._mailbox.wait(self._pace.gap, for_items=False)
        return 0.0

    def _declared_again(self, batch: Sequence[Item], report: Report) -> set[str]:
        """Uids that stay pending because the engine has lost their signal's declaration.

        Once for each signal: if that does not help, they are refused like others.
        """
        names = {each.uid: each.name for each in batch}
        self._redeclared.difference_update(names[uid] for uid in report.sent)
        unknown = {each.uid: names[each.uid] for each in report.refused if each.code == "unknown_signal"}
        lost = {name for name in set(unknown.values()) - self._redeclared if self._registration.redeclare(name)}
        self._redeclared |= lost
        return {uid for uid, name in unknown.items() if name in lost}

    def _failed(self, batch: Sequence[Item], error: Exception) -> float:
        self._mailbox.shut()
        self._failures += 1
        retry_after = getattr(error, "retry_after", None)
        pause = delay(self._pace, self._failures, random.random(), retry_after)  # noqa: S311  # spreads clients, hides nothing
        self._not_before = time.monotonic() + pause
        logger.warning(
            "send_failed items=%d failures=%d pause=%.1f reason=%s", len(batch), self._failures, pause, error
        )
        if getattr(error, "poison", False):
            self._isolate(batch)
        uids, now, reason = [each.uid for each in batch], time.time(), str(error)
        self._insist(lambda connection: items.mark_tried(connection, uids, now, type(error).__name__, reason))
        return min(pause, self._pace.lease / 4)

    def _isolate(self, batch: Sequence[Item]) -> None:
        """The engine failed over this batch: halves it, and gives up an item that fails alone for long."""
        self._most = max(1, len(batch) // 2)
        if len(batch) != 1:
            return
        uid, now = batch[0].uid, time.time()
        first = self._in_file(lambda connection: items.first_tried_at(connection, uid))
        if first is not None and now - first > self._pace.poison:
            refusal = items.Refusal(uid=uid, code="engine_fault", detail="the engine fails whenever this item is sent")
            logger.error("dead_letter uid=%s code=%s detail=%s", uid, refusal.code, refusal.detail)
            self._insist(lambda connection: items.settle(connection, [], [refusal], now, None))

    def _keep_house(self) -> None:
        if self._is_due("renew", self._pace.lease / 4):
            self._renew()
        if self._is_due("take_over", self._pace.poll):
            self._take_over()
        self._looked_around = True
        if self._is_due("prune", self._pace.prune):
            self._prune()

    def _is_due(self, chore: str, interval: float) -> bool:
        now = time.monotonic()
        if now < self._due[chore]:
            return False
        self._due[chore] = now + interval
        return True

    def _renew(self) -> None:
        now = time.time()
        kept = self._insist(lambda connection: self._lane.renew(connection, now))
        if not kept:
            logger.warning("lane_lost holder=%s", self._lane.holder.name)
            self._mailbox.shut()

    def _take_over(self) -> None:
        now = time.time()
        until = now + self._pace.lease
        taken = self._insist(lambda connection: lanes.take_over(connection, self._lane.holder, now, until))
        if taken:
            logger.info("lanes_taken_over lanes=%s", taken)
            self._inherited = True
            self._registration.changed()

    def _prune(self) -> None:
        now = time.time()
        expired = self._insist(lambda connection: items.expire(connection, now))
        for uid in expired:
            logger.error("dead_letter uid=%s code=expired", uid)
        if expired:
            self._mailbox.shut()
        while self._insist(lambda connection: items.prune(connection, now)) and not self._mailbox.stopped():
            # fetchall: the pragma frees one page at each step of its cursor.
            self._insist(lambda connection: connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall())
        self._insist(lambda connection: lanes.sweep(connection, now))

    def _has_pending(self) -> bool:
        return self._in_file(
            lambda connection: items.has_pending(connection, lanes.held(connection, self._lane.holder))
        )

    def _in_file(self, work: Callable[[Connection], T]) -> T:
        return self._writer.submit(work).result()

    def _insist(self, work: Callable[[Connection], T]) -> T:
        """Writes a result however long it takes: an unmarked item would be sent again."""
        failures = 0
        while True:
            try:
                return self._in_file(work)
            except PushFailed as error:
                if self._mailbox.stopped():
                    raise ClientClosed("closed before the outbox could be written") from error
                failures += 1
                logger.error("outbox_not_writable failures=%d error=%s", failures, error)
                self._mailbox.wait(delay(self._pace, failures, random.random()), for_items=False)  # noqa: S311  # spreads clients
