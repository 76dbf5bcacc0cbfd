"""The fast path from ``push`` to the dispatcher: a bounded queue in memory.

It holds a prefix of what is pending in the own lane of the file, or nothing. When
it overflows, and when sending fails, it is emptied and stays shut: the dispatcher
then reads the file, which has the same items in the same order, until it has
caught up. So no item is ever in two places of the dispatcher's mind.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

from resumable.client.items import Item, cut

T = TypeVar("T")


class Mailbox:
    """Shared by the pushing threads and the dispatcher."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._items: deque[Item] = deque()
        self._changed = threading.Condition()
        self._direct = True
        self._pushes = 0
        self._arrived = False
        self._stopped = False

    def offer(self, items: Sequence[Item], store: Callable[[], T], *, direct: bool = True) -> T:
        """Gives ``items`` to the writer by ``store``, and to the dispatcher, at once.

        Not ``direct`` are items that the file may refuse, because their uid is in it with
        another body: they must not overtake that refusal on their way to the engine.

        One lock around both, so that file and memory agree on the order, and so that
        an item is never sent before the writer knows of it.
        """
        with self._changed:
            stored = store()
            self._pushes += 1
            self._arrived = True
            if direct and self._direct and len(self._items) + len(items) <= self._capacity:
                self._items.extend(items)
            else:
                self._shut()
            self._changed.notify_all()
        return stored

    def withdraw(self, uids: Collection[str]) -> None:
        """Takes back items whose write has failed, as far as they are still here."""
        with self._changed:
            self._items = deque(each for each in self._items if each.uid not in uids)

    def take(self, most: int, most_bytes: int) -> list[Item]:
        """Removes and returns the oldest items that can travel together."""
        with self._changed:
            taken = cut(self._items, most, most_bytes)
            for _ in taken:
                self._items.popleft()
        return taken

    @property
    def direct(self) -> bool:
        """Whether new items come through here, and not only through the file."""
        with self._changed:
            return self._direct

    def shut(self) -> None:
        """From here on the file alone tells what is to be sent."""
        with self._changed:
            self._shut()

    def _shut(self) -> None:
        self._items.clear()
        self._direct = False

    def pushes(self) -> int:
        """How many times :meth:`offer` was called: asked before the file is read, given to :meth:`reopen`."""
        with self._changed:
            return self._pushes

    def reopen(self, pushes: int) -> bool:
        """Takes new items again if none was pushed since ``pushes``, that is while the file was read."""
        with self._changed:
            if pushes == self._pushes:
                self._direct = True
            return self._direct

    def wait(self, timeout: float, *, for_items: bool) -> None:
        """Returns at a push (if ``for_items``), at the end of ``timeout`` seconds, or at :meth:`stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (for_items and self._arrived), timeout)
            self._arrived = False

    def stop(self) -> None:
        """Ends all waiting, now and later."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def stopped(self) -> bool:
        """Whether :meth:`stop` was called."""
        return self._stopped
