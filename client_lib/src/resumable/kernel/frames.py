"""Live frames: a coroutine and what is needed to save it and to make it again."""

from __future__ import annotations

import types
from collections.abc import Generator
from types import CellType
from typing import TYPE_CHECKING, Any, Final

from resumable.compiler.function import ENTRY, Function
from resumable.errors import NotResumable, WaitCancelled
from resumable.functions import Invocation, compiled_function
from resumable.groups import AsCompleted, Group, Stream
from resumable.kernel.iterators import SavedIterator, saved_iterator
from resumable.scopes import Scope
from resumable.waits import Awaitable, Match, Timer

if TYPE_CHECKING:
    from resumable.kernel.branches import Branch


class Close:
    """Asks the run to cancel what is left of a stream; answered at once, never saved."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream


#: What a coroutine may hand to the run when it stops.
Request = Match[Any] | Timer | Group[Any] | Stream | Close

_REQUESTS: Final = (Match, Timer, Group, Stream)
_RESTORED: Final = object()
_NO_LOOP: Final = (
    "there is no event loop; asyncio's sleep, gather and wait_for are sleep, all_of and wait_for of resumable"
)


@types.coroutine
def _suspend(request: object) -> Generator[object, Any, Any]:
    return (yield request)


class Frame:
    """One running call of a resumable function. Compiled code knows it as ``@frame``."""

    Anything: Final = BaseException
    WaitCancelled: Final = WaitCancelled

    __slots__ = ("awaited", "branch", "cells", "child", "coroutine", "function", "live", "point", "values")

    def __init__(self, function: Function, values: dict[str, Any], branch: Branch, point: str = ENTRY) -> None:
        self.function = function
        self.branch = branch
        self.point = point
        self.child: Frame | None = None
        self.awaited: Any = None
        #: False once the coroutine is only being dropped: no code of the author may run then.
        self.live = True
        self.cells = {name: _as_cell(values.pop(name)) for name in function.cells & values.keys()}
        self.values = values
        self.coroutine = function.open(self, self.cells)

    @property
    def Dropped(self) -> type[BaseException] | tuple[()]:  # compiled code catches it
        """What a handler must let pass: nothing while the frame lives."""
        return () if self.live else GeneratorExit

    def enter(self, point: str, awaitable: object) -> Any:
        """Note where the function stops, and give it something Python can await."""
        self.point = point
        if type(awaitable) is Invocation:
            function = compiled_function(awaitable.function)
            self.child = Frame(function, dict(awaitable.arguments), self.branch)
            return self.child.coroutine
        self.child = None
        if isinstance(awaitable, _REQUESTS):
            return _suspend(awaitable)
        raise self._not_resumable(awaitable)

    def _not_resumable(self, awaitable: object) -> NotResumable:
        place = f"{self.function.path}:{self.function.point(self.point).line}"
        if isinstance(awaitable, types.CoroutineType):
            name, path = awaitable.__qualname__, awaitable.cr_code.co_filename
            awaitable.close()
            foreign = "asyncio" in path
            fix = _NO_LOOP if foreign else f"{name} is an ordinary coroutine: put @resumable on it"
        elif type(awaitable).__module__.startswith(("asyncio", "_asyncio")):
            fix = _NO_LOOP
        elif isinstance(awaitable, Awaitable):
            fix = f"{awaitable!r} cannot be awaited here"
        else:
            fix = f"a {type(awaitable).__name__} cannot be saved: await a wait, a group or a resumable function"
        return NotResumable(f"{place}: {self.function.name} awaits what cannot be resumed: {fix}")

    def iterate(self, source: Any, line: int) -> SavedIterator:
        return saved_iterator(source, f"{self.function.path}:{line}")

    def stream(self, source: object, line: int) -> Stream:
        if not isinstance(source, AsCompleted):
            raise NotResumable(
                f"{self.function.path}:{line}: `async for` goes over as_completed(…), not a {type(source).__name__}"
            )
        return Stream(source.group)

    def close(self, stream: Stream) -> Any:
        return _suspend(Close(stream))

    def open_scope(self, scope: Scope) -> Scope:
        return self.branch.open_scope(scope)

    def close_scope(self, scope: Scope) -> None:
        self.branch.close_scope(scope)

    def absorb(self, scope: Scope, error: BaseException) -> bool:
        """Whether this cancellation was meant for this scope and ends here."""
        return getattr(error, "scope", None) is scope


class Stack:
    """The frames of one branch, outermost first, alive."""

    __slots__ = ("root",)

    def __init__(self, root: Frame) -> None:
        self.root = root

    @classmethod
    def begin(cls, invocation: Invocation, branch: Branch) -> Stack:
        function = compiled_function(invocation.function)
        return cls(Frame(function, dict(invocation.arguments), branch))

    @classmethod
    def restore(cls, saved: list[tuple[Function, str, dict[str, Any]]], branch: Branch) -> Stack:
        """Bring saved frames back to where they stopped; innermost first."""
        inner: Frame | None = None
        for function, point, values in reversed(saved):
            frame = Frame(function, values, branch, point)
            frame.awaited = _suspend(_RESTORED) if inner is None else inner.coroutine
            frame.child = inner
            inner = frame
        assert inner is not None
        stack = cls(inner)
        reached = inner.coroutine.send(None)
        assert reached is _RESTORED
        return stack

    def send(self, value: object) -> Request:
        """Go on with a result, up to the next request.

        :raises StopIteration: the outermost function returned.
        """
        request: Request = self.root.coroutine.send(value)
        return request

    def throw(self, error: BaseException) -> Request:
        """Go on with an error raised at the await."""
        request: Request = self.root.coroutine.throw(error)
        return request

    def frames(self) -> list[Frame]:
        found: list[Frame] = []
        frame: Frame | None = self.root
        while frame is not None:
            found.append(frame)
            frame = frame.child
        return found

    def drop(self) -> None:
        """Let go of the coroutines without running anything of the author's."""
        for frame in self.frames():
            frame.live = False
        self.root.coroutine.close()


def captured(frame: Frame) -> dict[str, Any]:
    """The locals of a suspended frame; those in cells as their cells."""
    present = frame.coroutine.cr_frame.f_locals
    names = frame.function.saved_names(frame.point)
    values = {name: present[name] for name in names if name in present}
    values.update(frame.cells)
    return values


def _as_cell(value: Any) -> CellType:
    return value if isinstance(value, CellType) else CellType(value)
