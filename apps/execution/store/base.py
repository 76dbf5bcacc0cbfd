"""What the engine demands of a database. One conformance suite holds every store to it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from apps.execution.rows import Candidate, Changes, Loaded, NewInstance, Probe, SignalRow

Pair = tuple[int, int]


class Store(ABC):
    """Every method works inside the caller's transaction, with a number of statements that does not grow with the batch."""

    @abstractmethod
    def log_after(self, position: int, limit: int) -> list[SignalRow]:
        """The next signals of the log, in its order."""

    @abstractmethod
    def candidates(self, probes: Sequence[Probe], after: int, limit: int) -> list[Candidate]:
        """The open waits with the probes' keys whose id is greater than `after`, by signal and id; at most `limit`."""

    @abstractmethod
    def create(self, wanted: Sequence[NewInstance]) -> list[int | None]:
        """Create instances and give each its start signal; None where another live instance has the key."""

    @abstractmethod
    def deliver(self, pairs: Sequence[Pair]) -> None:
        """Give signals to instances: (signal, instance). What was given before is left as it is."""

    @abstractmethod
    def deliver_again(self, pairs: Sequence[Pair]) -> None:
        """Like `deliver`, but what the instance declined before is given again: it has a new wait."""

    @abstractmethod
    def runnable(self, moment: datetime, after: int, limit: int) -> list[int]:
        """Instances with something to apply and an id greater than `after`, ascending. None that another worker has
        locked, none marked `alone`; these are locked until the transaction ends."""

    @abstractmethod
    def runnable_alone(self, moment: datetime) -> int | None:
        """One instance marked `alone` that has something to apply; locked."""

    @abstractmethod
    def load(self, ids: Sequence[int], limit: int) -> Loaded:
        """Lock those instances that nobody else has locked, and read them with what is to be applied to them: all open
        waits, and of the signals the first `limit` by instance in log order.

        Left out are those whose new waits have not looked back yet: what they would be given by it comes before what
        they were given since, and applied the other way round it would be too late for it (rule 5)."""

    @abstractmethod
    def save(self, changes: Changes, moment: datetime) -> None:
        """Write a batch of turns. Raises LostRace when an instance has another revision than was read."""


class LostRace(Exception):
    """Somebody changed an instance of the batch although it was locked; the whole batch is rolled back."""
