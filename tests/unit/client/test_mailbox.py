"""The mailbox: with the file it gives each item to the dispatcher once, in order."""

from __future__ import annotations

import threading

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from resumable.client.items import SIGNAL, Item
from resumable.client.mailbox import Mailbox


def item(uid: int) -> Item:
    return Item(uid=str(uid), kind=SIGNAL, name="Paid", body=b"{}")


class MailboxAndFile(RuleBasedStateMachine):
    """Pushes, sends, failures and lost writes in any order, against a list that stands for the file."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox(capacity=4)
        self.file: list[Item] = []
        self.sent: list[int] = []
        self.number = 0

    @rule(count=st.integers(1, 3))
    def push(self, count: int) -> None:
        fresh = [item(self.number + each) for each in range(count)]
        self.number += count
        self.mailbox.offer(fresh, lambda: self.file.extend(fresh))

    @rule(count=st.integers(1, 3))
    def push_in_vain(self, count: int) -> None:
        """The write fails before the dispatcher came by."""
        fresh = [item(-1 - each) for each in range(count)]
        self.mailbox.offer(fresh, lambda: None)
        self.mailbox.withdraw({each.uid for each in fresh})

    def take(self, most: int, *, pushed_meanwhile: bool = False) -> list[Item]:
        if self.mailbox.direct:
            return self.mailbox.take(most, 1 << 20)
        pushes = self.mailbox.pushes()
        found = self.file[:most]
        if pushed_meanwhile:
            self.push(1)
        if not found and self.mailbox.reopen(pushes):
            return self.mailbox.take(most, 1 << 20)
        return found

    @rule(most=st.integers(1, 5), pushed_meanwhile=st.booleans())
    def send(self, most: int, pushed_meanwhile: bool) -> None:
        for each in self.take(most, pushed_meanwhile=pushed_meanwhile):
            self.sent.append(int(each.uid))
            self.file.remove(each)

    @rule(most=st.integers(1, 5))
    def fail(self, most: int) -> None:
        self.take(most)
        self.mailbox.shut()

    @invariant()
    def sent_once_and_in_order(self) -> None:
        assert self.sent == list(range(len(self.sent)))

    def teardown(self) -> None:
        for _ in range(len(self.file) + 1):  # each takes at least one, or finds nothing to do
            self.send(5, False)
        assert self.sent == list(range(self.number))


TestMailboxAndFile = MailboxAndFile.TestCase
TestMailboxAndFile.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_a_push_ends_the_wait() -> None:
    mailbox = Mailbox(10)
    waiter = threading.Thread(target=lambda: mailbox.wait(60.0, for_items=True))
    waiter.start()
    mailbox.offer([item(1)], lambda: None)
    waiter.join(5.0)
    assert not waiter.is_alive()


def test_a_push_before_the_wait_ends_it_too() -> None:
    mailbox = Mailbox(10)
    mailbox.offer([item(1)], lambda: None)
    mailbox.wait(60.0, for_items=True)


def test_stopping_ends_every_wait() -> None:
    mailbox = Mailbox(10)
    mailbox.stop()
    mailbox.wait(60.0, for_items=False)
    assert mailbox.stopped()
