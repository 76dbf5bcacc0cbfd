"""One turn: load, run to the next waits, write. Pure: the clock is an argument."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from resumable.errors import NotSaveable, WaitCancelled, WorkflowFailed
from resumable.faults import fault_of
from resumable.functions import Invocation
from resumable.kernel.branches import Returned
from resumable.kernel.program import Program
from resumable.kernel.run import Run, current_run
from resumable.kernel.saving import Loaded, open_wait
from resumable.kernel.snapshot import read
from resumable.kernel.turn import (
    Cancelled,
    Completed,
    Deliver,
    Event,
    Failed,
    Fire,
    OpenWait,
    Outcome,
    Start,
    StepError,
    Turn,
)
from resumable.signal import Signal

_LIBRARY: Final = __file__.removesuffix("advance.py")
_NO_IDS: Final[Mapping[str, str]] = {}


def advance(
    program: Program,
    snapshot: str | None,
    events: Sequence[Event],
    *,
    now: datetime,
    ids: Mapping[str, str] = _NO_IDS,
) -> Turn:
    """Apply events to an instance and run it to where it waits next.

    :param snapshot: the instance as it was saved; None before it begins.
    :param now: the moment that ``now()``, timers and time limits go by.
    :param ids: what ``Workflow.log`` adds to each record.
    :raises StepError: the author's code raised, or what it left cannot be
        saved. Nothing of the turn counts.
    """
    try:
        loaded = program.load(snapshot, now, ids)
        token = current_run.set(loaded.run)
        try:
            for event in events:
                _apply(loaded, event)
            return _turn(program, loaded)
        finally:
            current_run.reset(token)
            loaded.drop()
    except (KeyboardInterrupt, MemoryError, StepError):
        raise
    except BaseException as error:
        raise step_error(error) from error


def _apply(loaded: Loaded, event: Event) -> None:
    run = loaded.run
    if isinstance(event, Start):
        run.start(_invocation(loaded.owner, event.args))
    elif isinstance(event, Deliver):
        run.deliver(event.wait, event.signal)
    elif isinstance(event, Fire):
        wait = open_wait(event.wait, run.waits[event.wait])
        run.fire(event.wait, wait.kind, wait.name or wait.signal or "signal")
    elif event.scope is None:
        run.cancel()
    else:
        run.cancel_scope(event.scope)


def _invocation(owner: Any, args: tuple[Any, ...]) -> Invocation:
    invocation: Invocation = owner.run(*args)
    return invocation


def _turn(program: Program, loaded: Loaded) -> Turn:
    run = loaded.run
    outcome = _outcome(program, run)
    text, state = loaded.text()
    return Turn(
        snapshot=text,
        opened=tuple(run.opened.values()),
        closed=tuple(run.closed),
        commands=(),
        outcome=outcome,
        state=state,
    )


def _outcome(program: Program, run: Run) -> Outcome | None:
    if run.ended is None:
        return None
    if isinstance(run.ended, Returned):
        return Cancelled() if run.cancelling else Completed(result=_result(program, run.ended.value))
    error = run.ended.error
    if isinstance(error, WorkflowFailed):
        return Failed(error=str(error))
    if run.cancelling and isinstance(error, WaitCancelled):
        return Cancelled()
    raise error


def _result(program: Program, value: Any) -> Any:
    try:
        return program.encode(value)
    except NotSaveable as error:
        raise NotSaveable(f"what run() of {program.name} returned cannot be kept as its result: {error}") from error


def step_error(error: BaseException) -> StepError:
    """What an operator sees of an author's error: his own lines, not the library's."""
    return StepError(error, _traceback(error), fault_of(error))


def _traceback(error: BaseException) -> str:
    told = traceback.TracebackException.from_exception(error)
    pending = [told]
    while pending:
        part = pending.pop()
        frames = [frame for frame in part.stack if not frame.filename.startswith(_LIBRARY)]
        part.stack = traceback.StackSummary.from_list(frames)
        pending += [linked for linked in (part.__cause__, part.__context__) if linked]
    return "".join(told.format())


def where(program: Program, snapshot: str, number: int, signal: Signal, *, now: datetime) -> bool:
    """Whether the ``.where`` method of a wait, if it has one, agrees to a signal.

    :raises StepError: the method raised.
    """
    try:
        loaded = program.load(snapshot, now)
        name = open_wait(number, loaded.run.waits[number]).where
        if name is None:
            return True
        token = current_run.set(loaded.run)
        try:
            return bool(getattr(loaded.owner, name)(signal))
        finally:
            current_run.reset(token)
    except Exception as error:
        raise step_error(error) from error


def open_waits(snapshot: str) -> tuple[OpenWait, ...]:
    """The waits an instance with this snapshot is suspended on, oldest first."""
    data = {int(number): item for number, item in read(snapshot)["waits"].items()}
    return tuple(open_wait(number, data[number]) for number in sorted(data))
