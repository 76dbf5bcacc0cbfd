"""Ways to write Python that go on as they should after a restore."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from resumable import Workflow, as_completed, resumable, sleep
from resumable.kernel import Fire, Program, Start, advance, open_waits
from tests.unit.kernel.test_saving import NOW


class Closing(Workflow):
    """Closures over locals, also of a function that has returned."""

    async def run(self) -> list[int]:
        total = 0
        seen: list[int] = []

        def add(n: int, *, times: int = 2) -> int:
            nonlocal total
            total += n * times
            seen.append(total)
            return total

        twice = [lambda: add(1), lambda: add(2)]
        counter = await self.make(10)
        await sleep(days=1)
        twice[0]()
        add(5)
        await sleep(days=1)
        seen.append(counter())
        seen.append(counter())
        await sleep(days=1)
        twice[1]()
        seen.append(counter())
        return [*seen, total]

    async def make(self, start: int) -> Callable[[], int]:
        count = start

        def counter() -> int:
            nonlocal count
            count += 1
            return count

        await sleep(days=1)
        return counter


def test_closures_keep_sharing_their_variables() -> None:
    program = Program(Closing)
    turn = advance(program, None, [Start()], now=NOW)
    while turn.outcome is None:
        turn = advance(program, turn.snapshot, [Fire(wait=turn.opened[0].number)], now=NOW)
    assert program.decode(turn.outcome.result) == [2, 12, 11, 12, 16, 13, 16]  # type: ignore[union-attr]


class Base(Workflow):
    async def run(self) -> list[str]:
        return [await self.name(), *(await helper("a", b="c"))]

    async def name(self) -> str:
        await sleep(days=1)
        return "base"


class Derived(Base):
    __secret: str = "private"

    async def name(self) -> str:
        mine = await super().name()
        __local = self.__secret
        await sleep(days=1)
        return f"{mine}+{__local}+{__class__.__name__}"  # type: ignore[name-defined]  # the cell of super()


@resumable
async def helper(a: str, /, *rest: str, b: str, **more: str) -> list[str]:
    await sleep(days=1)
    return [a, b, *rest, *more]


def test_super_private_names_and_every_kind_of_argument_work() -> None:
    program = Program(Derived)
    turn = advance(program, None, [Start()], now=NOW)
    while turn.outcome is None:
        turn = advance(program, turn.snapshot, [Fire(wait=turn.opened[0].number)], now=NOW)
    assert program.decode(turn.outcome.result) == ["base+private+Derived", "a", "c"]  # type: ignore[union-attr]


class Unbound(Workflow):
    """Sub-functions that are static and class methods, called and kept for later."""

    async def run(self) -> list[str]:
        later = [self.static("a"), self.classy(n=2)]
        await sleep(days=1)
        return [await later[0], await later[1], await Unbound.static("c")]

    @staticmethod
    async def static(text: str) -> str:
        await sleep(days=1)
        return text

    @classmethod
    async def classy(cls, *, n: int) -> str:
        await sleep(days=1)
        return f"{cls.__name__}{n}"


def test_static_and_class_methods_are_sub_functions_too() -> None:
    program = Program(Unbound)
    turn = advance(program, None, [Start()], now=NOW)
    while turn.outcome is None:
        turn = advance(program, turn.snapshot, [Fire(wait=turn.opened[0].number)], now=NOW)
    assert program.decode(turn.outcome.result) == ["a", "Unbound2", "c"]  # type: ignore[union-attr]


class Private(Workflow):
    """Private sub-functions and methods, a module, and the log, all in use around an await."""

    __count: int = 0

    @property
    def count(self) -> int:
        return self.__count

    @count.setter
    def count(self, value: int) -> None:
        self.__count = value

    async def run(self) -> list[Any]:
        method = self.__double
        path = os.path.join("a", await self.__hidden())
        self.log.info("at %s", await self.__hidden())
        self.count = method(2)
        return [path, self.count]

    async def __hidden(self) -> str:
        await sleep(days=1)
        return "b"

    def __double(self, n: int) -> int:
        return 2 * n


class Recursive(Workflow):
    """A closure that calls itself, has an attribute of its own, and another name."""

    async def run(self) -> list[Any]:
        def down(n: int) -> int:
            down.calls += 1  # type: ignore[attr-defined]
            return n and down(n - 1)

        down.calls = 0  # type: ignore[attr-defined]
        alias = down
        down(2)
        await sleep(days=1)
        down(1)
        return [alias is down, alias.calls]  # type: ignore[attr-defined]


def chain(error: BaseException | None) -> list[str]:
    return [] if error is None else [str(error), *chain(error.__context__)]


class Contexts(Workflow):
    """An error that came of one handler is handled within another."""

    async def run(self) -> list[str]:
        try:
            raise ValueError("outer")
        except ValueError:
            try:
                try:
                    raise KeyError("first")
                except KeyError:
                    raise TypeError("second")  # noqa: B904
            except TypeError as error:
                await sleep(days=1)
                return chain(error)


class Stream(Workflow):
    async def run(self) -> list[int]:
        stream, done = as_completed(sleep(days=1), sleep(days=2)), []
        await sleep(days=1)
        async for each in stream:
            done.append(each.index)
        return done


COUNT = 0


class Globals(Workflow):
    """Names of outer scopes, also used by a closure; spread arguments that wait."""

    async def run(self) -> list[Any]:
        global COUNT
        COUNT = 1
        more = lambda: COUNT + 1  # noqa: E731
        spread = dict(a=1, **await self.options("b"), **{"c": 3, **await self.options("d")})
        COUNT = 5
        await sleep(days=1)
        return [more(), spread]

    async def options(self, name: str) -> dict[str, int]:
        await sleep(days=1)
        return {name: 2}


class Rebinding(Workflow):
    """The place of an augmented assignment is evaluated before the await."""

    async def run(self) -> list[Any]:
        place, row = 0, [0, 0]

        def step() -> None:
            nonlocal place, row
            place, row = 1, [5, 5]

        old = row
        row[place] += await self.after(step)
        return [old, row]

    async def after(self, step: Callable[[], None]) -> int:
        step()
        await sleep(days=1)
        return 10


class Annotated(Workflow):
    """A closure whose defaults and annotations are functions too."""

    async def run(self) -> list[Any]:
        x = 1

        def show(a: (lambda: 5)() = (lambda: x)()) -> list[Any]:  # type: ignore[valid-type]  # noqa: B008
            return [a, x]

        await sleep(days=1)
        x = 5
        return show()


def test_a_closure_reaches_the_scope_around_its_workflow() -> None:
    seen: list[int] = []
    total = 0

    class Outer(Workflow):
        async def run(self) -> int:
            nonlocal total
            note = lambda n: seen.append(n)  # noqa: E731
            read = lambda: total  # noqa: E731
            total += 1
            await sleep(days=1)
            note(1)
            total += 1
            return read()

    program = Program(Outer)
    turn = advance(program, None, [Start()], now=NOW)
    turn = advance(program, turn.snapshot, [Fire(wait=1)], now=NOW)
    assert (program.decode(turn.outcome.result), seen, total) == (2, [1], 2)  # type: ignore[union-attr]


class Mixin:
    limit: int = 3

    async def helper(self, n: int) -> int:
        double = lambda: n * self.limit  # noqa: E731
        await sleep(days=1)
        return double()


class Mixed(Mixin, Workflow):
    async def run(self) -> list[int]:
        return [await self.helper(2)]


class Cleaning(Workflow):
    """Raises what a dropped coroutine gets, and handles it himself."""

    async def run(self) -> list[str]:
        try:
            await sleep(days=1)
            raise GeneratorExit("mine")
        except GeneratorExit as error:
            await sleep(days=1)
            return [str(error)]


@pytest.mark.parametrize(
    ("workflow", "result"),
    [
        (Globals, [6, {"a": 1, "b": 2, "c": 3, "d": 2}]),
        (Mixed, [6]),
        (Rebinding, [[10, 0], [5, 5]]),
        (Annotated, [1, 5]),
        (Cleaning, ["mine"]),
        (Private, ["a/b", 4]),
        (Recursive, [True, 5]),
        (Contexts, ["second", "'first'", "outer"]),
        (Stream, [0, 1]),
    ],
)
def test_more_ways_to_write_python(workflow: type[Workflow], result: list[Any]) -> None:
    program = Program(workflow)
    turn = advance(program, None, [Start()], now=NOW)
    while turn.outcome is None:
        event = Fire(wait=open_waits(turn.snapshot)[0].number)
        turn = advance(program, turn.snapshot, [event], now=NOW)
    assert program.decode(turn.outcome.result) == result  # type: ignore[union-attr]
