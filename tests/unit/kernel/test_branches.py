"""Groups, cancellation and scopes, at the level of one instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from resumable import (
    Signal,
    WaitCancelled,
    WaitTimeout,
    Workflow,
    all_of,
    any_of,
    as_completed,
    at_least,
    cancel_scope,
    sleep,
    wait_for,
)
from resumable.testing import InstanceView, Shell


class Go(Signal):
    n: int


class Grouped(Workflow):
    """Runs the group that its subclass makes."""

    log: list[Any] = []

    async def sub(self, n: int) -> int:
        try:
            self.log.append((await Go.match(n=n)).n)
        except WaitCancelled:
            self.log.append(f"cancelled {n}")
            raise
        return n * 10


def begin(workflow: type[Workflow]) -> tuple[Shell, InstanceView]:
    shell = Shell(workflow)
    return shell, shell.start(workflow)


def go(shell: Shell, *numbers: int) -> None:
    for n in numbers:
        shell.send(Go(n=n))


class Everything(Grouped):
    async def run(self) -> Any:
        both = await all_of(self.sub(1), all_of(two=self.sub(2), three=Go.match(n=3)))
        return both[0], both[1].two, both[1].three.n


def test_all_of_gives_a_tuple_or_an_object_with_the_names() -> None:
    shell, instance = begin(Everything)
    go(shell, 3, 1, 2)
    assert instance.result == (10, 20, 3)


class FirstOf(Grouped):
    async def run(self) -> Any:
        first = await any_of(slow=self.sub(1), quick=Go.match(n=2))
        return first.index, first.name, first.value.n


def test_any_of_gives_the_first_and_cancels_the_rest() -> None:
    shell, instance = begin(FirstOf)
    go(shell, 2)
    assert (instance.result, instance.state["log"]) == ((1, "quick", 2), ["cancelled 1"])


class Some(Grouped):
    async def run(self) -> Any:
        done = await at_least(2, self.sub(1), self.sub(2), self.sub(3))
        return [(each.index, each.value) for each in done]


def test_at_least_gives_results_in_order_of_completion() -> None:
    shell, instance = begin(Some)
    go(shell, 3, 1)
    assert instance.result == [(2, 30), (0, 10)]
    assert instance.state["log"] == [3, 1, "cancelled 2"]


class Streamed(Grouped):
    async def run(self) -> Any:
        async for done in as_completed(a=self.sub(1), b=self.sub(2), c=self.sub(3)):
            self.log.append(done.name)
            if done.name == "b":
                await Go.match(n=9)
        else:
            self.log.append("else")
        return "end"


def test_as_completed_queues_what_completes_while_its_body_waits() -> None:
    shell, instance = begin(Streamed)
    go(shell, 2, 1, 3)
    assert instance.state["log"] == [2, "b", 1, 3]
    go(shell, 9)
    assert instance.state["log"] == [2, "b", 1, 3, "a", "c", "else"]
    assert instance.result == "end"


class Raising(Grouped):
    async def run(self) -> Any:
        try:
            await all_of(self.sub(1), self.fails(), self.sub(2))
        except LookupError as error:
            return str(error)

    async def fails(self) -> None:
        await Go.match(n=5)
        raise LookupError("a member failed")


def test_a_member_that_raises_cancels_its_siblings_and_raises_at_the_group() -> None:
    shell, instance = begin(Raising)
    go(shell, 5)
    assert instance.result == "a member failed"
    assert instance.state["log"] == ["cancelled 1", "cancelled 2"]


class Stubborn(Grouped):
    async def run(self) -> Any:
        first = await any_of(self.clings(), sleep(days=1))
        return first.index

    async def clings(self) -> None:
        while True:
            try:
                await Go.match(n=1)
            except WaitCancelled:
                self.log.append("again")


def test_a_loser_that_goes_on_awaiting_is_dropped_after_a_bound() -> None:
    shell, instance = begin(Stubborn)
    shell.advance(days=1)
    assert instance.result == 1
    assert 1 < len(instance.state["log"]) <= 1000


class Limited(Grouped):
    async def run(self) -> Any:
        try:
            await wait_for(self.sub(1), hours=1)
        except WaitTimeout:
            self.log.append("too late")
        return (await wait_for(any_of(self.sub(2), self.sub(3)), days=1)).value


def test_wait_for_limits_sub_functions_and_groups() -> None:
    shell, instance = begin(Limited)
    shell.advance(hours=1)
    assert instance.state["log"] == ["cancelled 1", "too late"]
    go(shell, 3)
    assert instance.result == 30
    assert not instance.waits


class Nested(Grouped):
    async def run(self) -> Any:
        async with cancel_scope("outer") as outer:
            async with cancel_scope("inner") as inner:
                await all_of(self.sub(1), any_of(self.sub(2), self.sub(3)))
            self.log.append(f"inner {inner.cancelled}")
            await self.sub(4)
        return [outer.cancelled, inner.cancelled]


@pytest.mark.parametrize(
    ("scope", "log"),
    [
        ("inner", ["cancelled 1", "cancelled 2", "cancelled 3", "inner True"]),
        ("outer", ["cancelled 1", "cancelled 2", "cancelled 3"]),
    ],
)
def test_a_scope_cancels_what_is_inside_it_from_the_leaves(scope: str, log: list[str]) -> None:
    shell, instance = begin(Nested)
    shell.cancel(instance, scope=scope)
    assert instance.state["log"] == log
    assert (instance.status == "completed") is (scope == "outer")


class Swallowing(Grouped):
    async def run(self) -> Any:
        async with cancel_scope("part") as part:
            for _ in range(3):
                try:
                    await Go.match(n=1)
                except WaitCancelled:
                    self.log.append("swallowed")
        return part.cancelled


def test_swallowing_a_cancellation_changes_nothing() -> None:
    shell, instance = begin(Swallowing)
    shell.cancel(instance, scope="part")
    assert instance.state["log"] == ["swallowed"] * 3
    assert instance.result is True


class Shared(Grouped):
    async def run(self) -> Any:
        basket: list[int] = []
        await all_of(self.fill(basket, 1), self.fill(basket, 2))
        return basket

    async def fill(self, basket: list[int], n: int) -> None:
        mine = basket
        await Go.match(n=n)
        mine.append(n)
        self.log = basket


def test_branches_that_share_an_object_still_share_it() -> None:
    shell, instance = begin(Shared)
    go(shell, 2, 1)
    assert instance.result == [2, 1]
    assert instance.state["log"] == [2, 1]


@dataclass
class Order:
    items: list[int]


class Inside(Grouped):
    """One branch returns what is inside an object that the other branches hold."""

    async def run(self) -> Any:
        order = Order([1, 2, 3])
        items, total = await all_of(self.items(order), self.total(order))
        return items, total, order.items is items

    async def items(self, order: Order) -> list[int]:
        await Go.match(n=1)
        return order.items

    async def total(self, order: Order) -> int:
        await Go.match(n=2)
        return sum(order.items)


def test_an_object_inside_a_shared_one_becomes_shared_too() -> None:
    shell, instance = begin(Inside)
    go(shell, 1)
    assert [frame.locals["order"] for frame in instance.frames] == [Order([1, 2, 3])] * 2
    go(shell, 2)
    assert instance.result == ([1, 2, 3], 6, True)


class Dropped(Grouped):
    """Catches everything around its await: dropping a saved coroutine must not look like an error."""

    async def run(self) -> Any:
        for _ in range(3):
            try:
                await Go.match(n=1)
            except BaseException as error:
                self.log.append(repr(error))
            finally:
                self.log.append("finally")
        return len(self.log)


def test_saving_runs_no_handler_and_no_finally() -> None:
    shell, instance = begin(Dropped)
    assert instance.state["log"] == []
    go(shell, 1)
    assert instance.state["log"] == ["finally"]
    shell.restart()
    go(shell, 1, 1)
    assert instance.result == 3


class Handling(Grouped):
    """Waits inside a handler; the exception is still there afterwards, for a bare raise too."""

    async def run(self) -> Any:
        try:
            try:
                raise KeyError("first")
            except KeyError as error:
                await Go.match(n=1)
                self.log.append(repr(error))
                try:
                    raise ValueError("second") from error
                except ValueError:
                    await Go.match(n=2)
                    raise
        except ValueError as error:
            return [str(error), repr(error.__cause__), repr(error.__context__)]


def test_a_handler_goes_on_with_its_exception() -> None:
    shell, instance = begin(Handling)
    go(shell, 1, 2)
    assert instance.result == ["second", "KeyError('first')", "KeyError('first')"]


class Refilled(Grouped):
    async def run(self) -> Any:
        queue = [1, 2]
        for n in queue:
            await Go.match(n=n)
            if len(queue) < 4:
                queue.append(n + 2)
        return queue


def test_a_loop_goes_on_over_the_live_list() -> None:
    shell, instance = begin(Refilled)
    go(shell, 1, 2, 3, 4)
    assert instance.result == [1, 2, 3, 4]


class Unkept(Grouped):
    async def run(self) -> Any:
        await all_of(bad=self.bad(), good=self.sub(2))

    async def bad(self) -> object:
        await Go.match(n=1)
        return object()


def test_a_result_that_cannot_wait_for_the_others_is_named() -> None:
    shell, instance = begin(Unkept)
    go(shell, 1)
    assert instance.status == "retrying"
    assert "member bad of a group" in (instance.error or "")


class Resized(Grouped):
    async def run(self) -> Any:
        prices = {"a": 1, "b": 2}
        try:
            for name in prices.keys():
                await Go.match(n=1)
                prices[name + name] = 0
        except RuntimeError as error:
            return str(error)


def test_a_dict_that_changes_under_its_loop_is_an_error_as_in_python() -> None:
    shell, instance = begin(Resized)
    go(shell, 1)
    assert instance.result == "dictionary changed size during iteration"
