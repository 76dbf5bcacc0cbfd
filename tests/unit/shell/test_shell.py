"""The test shell, as its users meet it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest

from resumable import (
    Signal,
    WaitTimeout,
    Workflow,
    all_of,
    any_of,
    cancel_scope,
    now,
    sleep,
)
from resumable.errors import IllegalState, KeyInUse, UidConflict, UnknownScope
from resumable.testing import Shell

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class OrderPlaced(Signal):
    order_id: str
    total: Decimal


class PaymentReceived(Signal):
    order_id: str
    amount: Decimal


class Shipped(Signal, name="depot.shipped"):
    order_id: str


class Job(Signal, deliver="one"):
    kind: str


class Colour(Enum):
    RED = 1
    BLUE = 2


class OrderFulfilment(Workflow, version="1", starts_on=OrderPlaced, key="order_id"):
    """Collect the payment, ship."""

    paid: Decimal = Decimal(0)

    async def run(self, placed: OrderPlaced) -> str:
        while self.paid < placed.total:
            try:
                payment = await PaymentReceived.match(order_id=placed.order_id).within(days=3)
            except WaitTimeout:
                return "abandoned"
            self.paid += payment.amount
        async with cancel_scope("shipping"):
            first = await any_of(shipped=Shipped.match(order_id=placed.order_id), late=self.late(placed))
            return first.name or ""
        return "cancelled"

    async def late(self, placed: OrderPlaced) -> datetime:
        days = 7
        await sleep(days=days).named("a week for the depot")
        return now()


def test_the_page_of_the_handbook() -> None:
    with Shell(OrderFulfilment, now=BEGIN) as shell:
        sent = shell.send(OrderPlaced(order_id="A1", total=Decimal(10)))
        order = sent.started[0]
        shell.advance(days=3)
        assert order.status == "completed"
        assert order.result == "abandoned"


def paid_order(shell: Shell) -> Any:
    (order,) = shell.send("OrderPlaced", {"order_id": "A1", "total": "10"}).started
    sent = shell.send("PaymentReceived", {"order_id": "A1", "amount": 10})
    assert (sent.resumed, sent.matched, sent.started) == ([order], True, [])
    return order


def test_an_instance_shows_what_it_waits_for_and_where() -> None:
    shell = Shell(OrderFulfilment, now=BEGIN)
    order = paid_order(shell)
    assert (order.key, order.workflow, order.version, order.error) == ("A1", "OrderFulfilment", "1", None)
    assert order.state == {"paid": Decimal(10)}
    assert isinstance(order.state, Mapping)
    assert order.locals["placed"] == OrderPlaced(order_id="A1", total=Decimal(10))
    assert set(order.locals) == {"placed", "payment"}
    assert [(frame.branch, frame.function) for frame in order.frames] == [(0, "run"), (5, "late")]
    assert order.frames[1].locals["days"] == 7
    shipped, late = order.waits
    assert (shipped.kind, shipped.signal, shipped.criteria) == ("signal", "depot.shipped", "order_id = 'A1'")
    assert (late.kind, late.name, late.due_at) == ("timer", "a week for the depot", BEGIN + timedelta(days=7))
    first_line = OrderFulfilment.late.__wrapped__.__code__.co_firstlineno  # type: ignore[attr-defined]
    assert late.line == first_line + 2
    assert [entry.kind for entry in order.history] == ["started", "signal"]
    assert [entry.seq for entry in order.history] == [1, 2]
    assert order.history[0].state == {"paid": Decimal(0)}
    assert order.history[1].at == BEGIN


def test_a_signal_goes_by_object_or_by_its_wire_name() -> None:
    shell = Shell(OrderFulfilment, now=BEGIN)
    order = paid_order(shell)
    shell.send("depot.shipped", {"order_id": "A1"})
    assert order.result == "shipped"
    with pytest.raises(ValueError, match="no workflow of this shell knows"):
        shell.send("Shipped", {})
    with pytest.raises(ValueError, match="order_id"):
        shell.send("depot.shipped", {})


def test_a_scope_is_cancelled_by_name() -> None:
    shell = Shell(OrderFulfilment, now=BEGIN)
    order = paid_order(shell)
    with pytest.raises(UnknownScope, match="open scopes: shipping"):
        shell.cancel(order, scope="payment")
    shell.cancel(order, scope="shipping", reason="the depot burnt down")
    assert order.result == "cancelled"
    assert order.history[-1].detail["reason"] == "the depot burnt down"


def test_timers_fire_at_their_own_moment_however_far_the_clock_jumps() -> None:
    class Clock(Workflow):
        seen: list[datetime] = []

        async def run(self) -> None:
            for _ in range(3):
                await sleep(hours=5)
                self.seen.append(now())

    shell = Shell(Clock, now=BEGIN)
    clock = shell.start(Clock)
    shell.advance(days=10)
    assert clock.state["seen"] == [BEGIN + timedelta(hours=5 * n) for n in (1, 2, 3)]
    assert shell.now == BEGIN + timedelta(days=10)


def test_start_gives_arguments_and_a_key() -> None:
    shell = Shell(OrderFulfilment, now=BEGIN)
    order = shell.start(OrderFulfilment, OrderPlaced(order_id="A1", total=Decimal(1)))
    assert order.key == "A1"
    with pytest.raises(KeyInUse):
        shell.start(OrderFulfilment, OrderPlaced(order_id="A1", total=Decimal(1)))
    other = shell.start(OrderFulfilment, OrderPlaced(order_id="A1", total=Decimal(1)), key="mine")
    assert shell.instances(OrderFulfilment) == [order, other]


def test_errors_of_the_caller_are_raised_and_those_of_the_author_are_not() -> None:
    class Broken(Workflow, starts_on=OrderPlaced):
        async def run(self, placed: OrderPlaced) -> None:
            raise ZeroDivisionError("an author's slip")

    shell = Shell(Broken, now=BEGIN)
    placed = OrderPlaced(order_id="A1", total=Decimal(1))
    (broken,) = shell.send(placed, uid="u", service="shop").started
    assert broken.status == "retrying"
    assert "an author's slip" in (broken.error or "")
    assert shell.send(placed, uid="u", service="shop").duplicate
    with pytest.raises(UidConflict):
        shell.send(OrderPlaced(order_id="A2", total=Decimal(1)), uid="u", service="shop")
    with pytest.raises(IllegalState, match="retrying"):
        shell.resume(broken)


def test_two_shells_do_not_know_of_each_other() -> None:
    one, other = Shell(OrderFulfilment, now=BEGIN), Shell(OrderFulfilment, now=BEGIN)
    paid_order(one)
    assert other.instances() == []
    assert paid_order(other).status == "waiting"


def test_state_defaults_belong_to_one_instance() -> None:
    class Listing(Workflow, starts_on=OrderPlaced):
        seen: list[str] = []

        async def run(self, placed: OrderPlaced) -> None:
            self.seen.append(placed.order_id)
            await sleep(days=1)

    shell = Shell(Listing, now=BEGIN)
    for name in ("A", "B"):
        shell.send(OrderPlaced(order_id=name, total=Decimal(1)))
    assert [instance.state["seen"] for instance in shell.instances()] == [["A"], ["B"]]
    assert Listing.seen == []


def test_the_log_carries_the_ids_of_the_instance(caplog: pytest.LogCaptureFixture) -> None:
    class Talking(Workflow):
        async def run(self) -> None:
            self.log.warning("here I am")

    shell = Shell(Talking, now=BEGIN)
    with caplog.at_level("WARNING"):
        shell.start(Talking, key="K")
    (record,) = caplog.records
    assert (record.workflow, record.instance, record.key) == ("Talking", "1", "K")  # type: ignore[attr-defined]


def test_a_where_that_raises_leaves_a_signal_for_one_to_others() -> None:
    class Choosing(Workflow):
        broken: bool = False

        async def run(self, broken: bool) -> str:
            self.broken = broken
            return (await Job.match(kind="paint").where(self.fits)).kind

        def fits(self, job: Job) -> bool:
            if self.broken:
                raise LookupError("broken predicate")
            return True

    shell = Shell(Choosing, now=BEGIN)
    broken, healthy = shell.start(Choosing, True), shell.start(Choosing, False)
    shell.send(Job(kind="paint"))
    assert (broken.status, healthy.result) == ("retrying", "paint")
    assert "broken predicate" in (broken.error or "")


def test_a_predicate_is_a_plain_method_that_its_name_leads_to() -> None:
    class Private(Workflow):
        async def run(self, kind: str) -> str:
            predicate = {"private": self.__fits, "async": self.waits}[kind]
            return (await Job.any().where(predicate)).kind

        def __fits(self, job: Job) -> bool:
            return job.kind == "paint"

        async def waits(self, job: Job) -> bool:
            return False

    shell = Shell(Private, now=BEGIN)
    private = shell.start(Private, "private")
    shell.send(Job(kind="sand"))
    shell.send(Job(kind="paint"))
    assert private.result == "paint"
    assert "a predicate cannot wait" in (shell.start(Private, "async").error or "")


def test_a_patch_takes_values_as_they_are() -> None:
    class Painted(Workflow):
        colour: Colour = Colour.RED

        async def run(self) -> str:
            await sleep(days=1)
            return self.colour.name

    shell = Shell(Painted, now=BEGIN)
    painted = shell.start(Painted)
    shell.patch(painted, state={"colour": Colour.BLUE})
    shell.advance(days=1)
    assert painted.result == "BLUE"


def test_a_step_that_never_waits_is_stopped() -> None:
    class Spinning(Workflow):
        async def run(self) -> None:
            while True:
                await sleep(seconds=0)

    shell = Shell(Spinning, now=BEGIN)
    with pytest.raises(RuntimeError, match="without waiting for anything new"):
        shell.start(Spinning)


def test_a_group_of_nothing_is_done_at_once() -> None:
    class Empty(Workflow):
        async def run(self) -> object:
            return await all_of()

    shell = Shell(Empty, now=BEGIN)
    assert shell.start(Empty).result == ()
