"""What cannot be resumed is an error when the class is created: it names the line and the fix."""

from __future__ import annotations

import asyncio
import contextlib
import linecache
from itertools import count
from textwrap import dedent, indent
from typing import Any

import pytest

import resumable
from resumable import Signal, Workflow, sleep
from resumable.errors import DefinitionError
from resumable.kernel import Program, Start, StepError, advance
from tests.unit.kernel.test_saving import NOW

_files = count()


class Ping(Signal):
    n: int


def define(body: str) -> type:
    """A workflow whose ``run`` has this body; it begins in line 3."""
    source = "class P(Workflow):\n    async def run(self):\n" + indent(dedent(body), "        ") + "\n"
    path = f"<refused {next(_files)}>"
    linecache.cache[path] = (len(source), None, source.splitlines(True), path)
    space: dict[str, Any] = {**vars(resumable), "Ping": Ping, "contextlib": contextlib, "__name__": __name__}
    exec(compile(source, path, "exec", dont_inherit=True), space)
    made: type = space["P"]
    return made


@pytest.mark.parametrize(
    ("body", "line", "fix"),
    [
        ("try:\n    pass\nfinally:\n    await sleep(days=1)", 6, "except BaseException"),
        ("[await sleep(days=1) for _ in range(3)]", 3, "for loop"),
        ("x = [d async for d in y]", 3, "for loop"),
        ("x = {k: await sleep(days=1) for k in 'ab'}", 3, "for loop"),
        ("f = lambda: (yield)", 0, ""),
        ("yield 1", 3, "one result"),
        ("with open('x') as f:\n    await sleep(days=1)", 3, "before the await"),
        ("async with contextlib.nullcontext():\n    await sleep(days=1)", 3, "cancel_scope"),
        ("async def inner():\n    await sleep(days=1)\nawait inner()", 3, "@resumable"),
        ("try:\n    await sleep(days=1)\nexcept* ValueError:\n    pass", 3, "except"),
        ("match 1:\n    case 1 if await sleep(days=1):\n        pass", 4, "before the `match`"),
        ("x = 1 < 2 < (await Ping.any()).n", 3, "variable"),
        ("f = lambda x=await sleep(days=1): x", 3, "variable"),
        ("async for x in y():\n    pass", 0, ""),
        ("del [1][await sleep(days=1)]", 3, "variable"),
    ],
)
def test_a_refused_form_names_its_line_and_the_fix(body: str, line: int, fix: str) -> None:
    if not line:
        define(body)
        return
    with pytest.raises(DefinitionError) as caught:
        define(body)
    assert caught.value.line == line
    assert caught.value.path.startswith("<refused")
    assert fix in str(caught.value)


@pytest.mark.parametrize(
    ("source", "fix"),
    [
        ("def __init__(self): pass\nasync def run(self): pass", "no __init__"),
        ("def run(self): pass", "async def"),
    ],
)
def test_a_class_statement_that_cannot_work_is_refused(source: str, fix: str) -> None:
    code = "class P(Workflow):\n" + indent(source, "    ")
    path = f"<refused {next(_files)}>"
    linecache.cache[path] = (len(code), None, code.splitlines(True), path)
    with pytest.raises(DefinitionError, match=fix):
        exec(compile(code, path, "exec"), {"Workflow": Workflow, "__name__": __name__})


async def ordinary() -> int:
    return 1


class AwaitsOrdinary(Workflow):
    async def run(self) -> None:
        await ordinary()


class AwaitsNumber(Workflow):
    async def run(self) -> None:
        await 5  # type: ignore[misc]


class AwaitsLoop(Workflow):
    async def run(self) -> None:
        await asyncio.sleep(1)


class Lazy(Workflow):
    async def run(self) -> None:
        for _ in map(str, [1, 2]):
            await sleep(days=1)


class Loops(Workflow):
    async def run(self) -> None:
        async for _ in [1, 2]:  # type: ignore[attr-defined]
            pass


@pytest.mark.parametrize(
    ("workflow", "offset", "fix"),
    [
        (AwaitsOrdinary, 1, "put @resumable on it"),
        (AwaitsLoop, 1, "there is no event loop"),
        (AwaitsNumber, 1, "await a wait, a group or a resumable function"),
        (Lazy, 1, "list("),
        (Loops, 1, "as_completed"),
    ],
)
def test_awaiting_anything_else_names_the_line(workflow: type[Workflow], offset: int, fix: str) -> None:
    with pytest.raises(StepError) as caught:
        advance(Program(workflow), None, [Start()], now=NOW)
    line = workflow.run.__wrapped__.__code__.co_firstlineno + offset  # type: ignore[attr-defined]
    assert f"{__file__}:{line}" in str(caught.value)
    assert fix in str(caught.value)


def test_an_undeclared_attribute_is_an_error() -> None:
    class Careless(Workflow):
        count: int = 0

        async def run(self) -> None:
            self.cuont = 1

    with pytest.raises(StepError, match="declares no state field 'cuont'"):
        advance(Program(Careless), None, [Start()], now=NOW)


def test_an_author_sees_his_own_lines_in_a_traceback() -> None:
    class Failing(Workflow):
        async def run(self) -> None:
            await self.deeper()

        async def deeper(self) -> None:
            raise ValueError("deep")

    with pytest.raises(StepError) as caught:
        advance(Program(Failing), None, [Start()], now=NOW)
    told = caught.value.traceback
    assert 'raise ValueError("deep")' in told
    assert "await self.deeper()" in told
    assert "resumable/kernel" not in told
