"""Three ways to run one random program: natively, straight through, and saved at every await."""

from __future__ import annotations

import linecache
from collections.abc import Generator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import resumable
from resumable import Signal, WaitTimeout
from resumable.criteria import Criteria
from resumable.kernel import Deliver, Fire, Program, Start, StepError, advance, open_waits
from resumable.kernel.advance import _apply, _outcome
from resumable.kernel.run import current_run
from resumable.kernel.saving import open_wait

#: After this many awaits a run is cut off; both sides are cut at the same place.
LONGEST = 60
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

_files = count()


class Tick(Signal):
    n: int
    v: int


def plus(*numbers: int, c: int = 0) -> int:
    return sum(numbers) + c


def plain(value: Any) -> Any:
    """A group's result as data that compares equal after a restore."""
    if isinstance(value, (tuple, list)):
        return [plain(item) for item in value]
    if isinstance(value, resumable.Done):
        return (value.index, plain(value.value))
    return (value.n, value.v) if isinstance(value, Tick) else value


@dataclass
class Seen:
    """What one run showed: its trace, how it ended, and where it waited on the way."""

    trace: Any = None
    end: Any = None
    places: list[Any] = field(default_factory=list)


def load(source: str, **replaced: Any) -> type:
    """The class ``P`` of a source, from a file that only ``linecache`` knows."""
    path = f"<program {next(_files)}>"
    linecache.cache[path] = (len(source), None, source.splitlines(True), path)
    space: dict[str, Any] = {
        **{name: getattr(resumable, name) for name in resumable.__all__},
        "__name__": __name__,
        "Tick": Tick,
        "plus": plus,
        "plain": plain,
        **replaced,
    }
    exec(compile(source, path, "exec", dont_inherit=True), space)
    program: type = space["P"]
    globals()["P"] = program
    return program


def compiled(source: str) -> Program:
    return Program(load(source))


class Choices:
    """Which open wait goes on next, and how; the same sequence for each run."""

    def __init__(self, numbers: list[int]) -> None:
        self._numbers = numbers or [0]
        self._at = 0

    def next(self, waits: list[tuple[int, str, bool]]) -> tuple[int, bool]:
        """(wait number, whether its time is up) of ``(number, kind, has a limit)``."""
        chosen = self._numbers[self._at % len(self._numbers)]
        self._at += 1
        number, kind, limited = waits[chosen % len(waits)]
        return number, kind == "timer" or (limited and chosen % 5 == 0)


def saved_run(program: Program, numbers: list[int], *args: Any) -> Seen:
    """Saved, encoded, decoded and restored at every await."""
    choices, seen = Choices(numbers), Seen()
    try:
        turn = advance(program, None, [Start(args=args)], now=BEGIN)
        for step in range(LONGEST + 1):
            waits = open_waits(turn.snapshot)
            seen.places.append([(wait.number, wait.kind, wait.line) for wait in waits])
            if turn.outcome is not None:
                seen.end = program.decode(turn.outcome.result)  # type: ignore[union-attr]
                break
            if step == LONGEST:
                break
            number, late = choices.next([(w.number, w.kind, w.due_at is not None) for w in waits])
            wait = next(wait for wait in waits if wait.number == number)
            event = Fire(wait=number) if late else Deliver(wait=number, signal=_tick(wait.criteria, step))
            turn = advance(program, turn.snapshot, [event], now=BEGIN + timedelta(hours=step))
    except StepError as error:
        seen.end = (type(error.error).__name__, str(error.error))
        return seen
    seen.trace = program.load(turn.snapshot, BEGIN).owner.trace
    return seen


def straight_run(program: Program, numbers: list[int], *args: Any) -> Seen:
    """The same kernel, but the coroutines stay alive from begin to end."""
    choices, seen = Choices(numbers), Seen()
    loaded = program.load(None, BEGIN)
    token = current_run.set(loaded.run)
    try:
        _apply(loaded, Start(args=args))
        for step in range(LONGEST + 1):
            outcome = _outcome(program, loaded.run)
            open_now = [open_wait(number, wait) for number, wait in sorted(loaded.run.waits.items())]
            seen.places.append([(wait.number, wait.kind, wait.line) for wait in open_now])
            if outcome is not None:
                seen.end = program.decode(outcome.result)  # type: ignore[union-attr]
                break
            if step == LONGEST:
                break
            number, late = choices.next([(w.number, w.kind, w.due_at is not None) for w in open_now])
            wait = next(wait for wait in open_now if wait.number == number)
            loaded.run.now = BEGIN + timedelta(hours=step)
            _apply(loaded, Fire(wait=number) if late else Deliver(wait=number, signal=_tick(wait.criteria, step)))
        seen.trace = loaded.owner.trace
    except Exception as error:  # whatever the program raised is its end
        seen.end = (type(error).__name__, str(error))
    finally:
        current_run.reset(token)
        loaded.drop()
    return seen


def _tick(criteria: Any, step: int) -> Tick:
    (lookup,) = Criteria.decode(criteria).root.children
    n = int(lookup.value)  # type: ignore[union-attr]
    return Tick(n=n, v=step + n)


class NativeWait:
    """Stands in for a wait when CPython itself runs the program."""

    def __init__(self, n: int, limited: bool = False) -> None:
        self.n = n
        self.limited = limited

    def within(self, **_: Any) -> NativeWait:
        return NativeWait(self.n, True)

    def __await__(self) -> Generator[NativeWait, Tick, Tick]:
        return (yield self)


class NativeTick:
    @staticmethod
    def match(n: int) -> NativeWait:
        return NativeWait(n)


class NativeWorkflow:
    def __init__(self) -> None:
        self.trace: list[Any] = []


def native_run(source: str, numbers: list[int]) -> Seen:
    """The program as CPython runs it, untouched by the compiler."""
    choices, seen = Choices(numbers), Seen()
    # A native coroutine that is cut off gets GeneratorExit, which it must not catch.
    source = source.replace("except BaseException", "except Exception")
    owner: Any = load(source, Workflow=NativeWorkflow, Tick=NativeTick)()
    coroutine = owner.run()
    try:
        wait = coroutine.send(None)
        for step in range(LONGEST):
            seen.places.append(None)
            _, late = choices.next([(0, "signal", wait.limited)])
            if late:
                wait = coroutine.throw(WaitTimeout("no Tick in time"))
            else:
                wait = coroutine.send(Tick(n=wait.n, v=step + wait.n))
        seen.places.append(None)
        seen.trace = owner.trace.copy()
    except StopIteration as stop:
        seen.places.append(None)
        seen.end, seen.trace = stop.value, owner.trace.copy()
    except Exception as error:  # whatever the program raised is its end
        seen.end = (type(error).__name__, str(error))
    coroutine.close()
    return seen
