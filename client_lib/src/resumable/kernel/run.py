"""One turn of one instance, in memory: branches step until each of them waits.

Only the branch that an event concerns is restored; a group's members live in
branches of their own. Cancellation goes from the leaves to the root, so that
inner ``finally`` blocks run first.
"""

from __future__ import annotations

from collections import deque
from contextvars import ContextVar
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from resumable.errors import OutsideTurn, SnapshotError, UnknownScope, WaitCancelled, WaitTimeout
from resumable.functions import Invocation
from resumable.groups import Group, Stream
from resumable.kernel.branches import Asked, Branch, GroupState, Raised, Returned
from resumable.kernel.frames import Close, Request, Stack
from resumable.kernel.snapshot import Part
from resumable.kernel.turn import ClosedWait, CloseReason, OpenWait
from resumable.waits import Match, Timer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resumable.kernel.decoder import Decoder
    from resumable.scopes import Scope

#: How often a cancelled loser may go on awaiting before it is dropped.
STUBBORN: Final = 100

current_run: ContextVar[Run] = ContextVar("current_run")


def running() -> Run:
    """The run of the turn in progress.

    :raises OutsideTurn: there is none.
    """
    try:
        return current_run.get()
    except LookupError:
        raise OutsideTurn("this only works while a workflow runs, in its own functions") from None


class Run:
    """The branches, groups and waits of one instance, and what moves them."""

    def __init__(self, *, now: datetime, decoder: Decoder, next_number: int, ids: Mapping[str, str]) -> None:
        self.now = now
        self.ids = ids
        self.decoder = decoder
        self.next_number = next_number
        self.cancelling = False
        self.branches: dict[int, Branch] = {}
        self.groups: dict[int, GroupState] = {}
        self.waits: dict[int, OpenWait | dict[str, Any]] = {}
        self.owners: dict[int, int] = {}
        self.opened: dict[int, OpenWait] = {}
        self.closed: list[ClosedWait] = []
        self.ended: Returned | Raised | None = None
        self._ready: deque[tuple[Branch, object, BaseException | None]] = deque()
        self._cancel_requests: list[str] = []

    def start(self, invocation: Invocation) -> None:
        root = self.branches[0] = Branch(0)
        root.begin(invocation)
        self._ready.append((root, None, None))
        self._drain()

    def deliver(self, number: int, signal: object) -> None:
        self._settle(self._close_wait(number, "consumed"), signal)
        self._drain()

    def fire(self, number: int, kind: str, title: str) -> None:
        if kind == "timer":
            self._settle(self._close_wait(number, "fired"), None)
        else:
            branch = self._close_wait(number, "timeout")
            self._unsettle(branch, WaitTimeout(f"no {title} in time"))
        self._drain()

    def cancel(self) -> None:
        """Cancel the instance: its root may still await, to clean up."""
        self.cancelling = True
        root = self._branch(0)
        self._interrupt(root, WaitCancelled("the instance was cancelled"))
        self._drain()

    def cancel_scope(self, name: str) -> None:
        self.request_cancel(name)
        self._serve_cancel_requests()
        self._drain()

    def request_cancel(self, name: str) -> None:
        """Cancel the open scopes of a name as soon as the running branch waits."""
        open_names = {scope for branch in self.branches.values() for scope in branch.scope_names}
        if name not in open_names:
            found = ", ".join(sorted(open_names)) or "none"
            raise UnknownScope(f"no open cancel_scope is called {name!r}; open scopes: {found}")
        self._cancel_requests.append(name)

    def _drain(self) -> None:
        while self._ready and self.ended is None:
            branch, value, error = self._ready.popleft()
            self._step(branch, value, error)
            self._serve_cancel_requests()

    def _step(self, branch: Branch, value: object, error: BaseException | None) -> None:
        self._restore(branch)
        step = branch.step(value, error)
        while isinstance(step, Asked) and isinstance(step.request, Close):
            left = self._close_stream(step.request.stream)
            step = branch.step(None, left)
        if isinstance(step, Returned):
            self._complete(branch, step.value)
        elif isinstance(step, Raised):
            self._fail(branch, step.error)
        else:
            self._suspend(branch, step.request)

    def _restore(self, branch: Branch) -> None:
        if branch.saved is None:
            return
        frames, scopes = branch.saved.live(self.decoder)
        branch.saved = None
        branch.scopes = list(scopes)
        branch.stack = Stack.restore(frames, branch)

    def _suspend(self, branch: Branch, request: Request) -> None:
        scope = next((scope for scope in branch.scopes if scope.cancelled), None)
        if scope is not None:
            # It swallowed the cancellation of a scope that it has not left.
            self._raise_again(branch, scope)
        else:
            self._register(branch, request)

    def _raise_again(self, branch: Branch, scope: Scope) -> None:
        scope.raised += 1
        if scope.raised > STUBBORN:
            message = f"the cancelled scope {scope.name!r} goes on awaiting; let WaitCancelled pass"
            self._ready.appendleft((branch, None, RuntimeError(message)))
            scope.cancelled = False
        else:
            self._ready.appendleft((branch, None, _cancelled_by(scope)))

    def _register(self, branch: Branch, request: object) -> None:
        if isinstance(request, (Match, Timer)):
            self._open_wait(branch, request)
        elif isinstance(request, Group):
            self._open_group(branch, request)
        elif isinstance(request, Stream):
            self._next_of_stream(branch, request)
        else:
            raise AssertionError(request)

    def _number(self) -> int:
        self.next_number += 1
        return self.next_number - 1

    def _open_wait(self, branch: Branch, request: Match[Any] | Timer) -> None:
        line, function = self._place(branch)
        number = self._number()
        match = request if isinstance(request, Match) else None
        due = self.now + match.limit if match and match.limit is not None else None
        wait = OpenWait(
            number=number,
            kind="signal" if match else "timer",
            name=request.title,
            signal=match.signal.__signal_name__ if match else None,
            criteria=match.criteria.encode() if match else None,
            where=match.predicate if match else None,
            since=match.lookback if match else None,
            due_at=request.due(self.now) if isinstance(request, Timer) else due,
            line=line,
            function=function,
            branch=branch.number,
        )
        branch.wait = number
        self.owners[number] = branch.number
        self.waits[number] = self.opened[number] = wait

    def _place(self, branch: Branch) -> tuple[int, str]:
        while not branch.has_frames and branch.group is not None:
            branch = self.branches[self.groups[branch.group].owner]
        assert branch.stack is not None
        frame = branch.stack.frames()[-1]
        return frame.function.point(frame.point).line, frame.function.python.__name__

    def _close_wait(self, number: int, reason: CloseReason) -> Branch:
        if number not in self.waits:
            raise SnapshotError(f"the instance has no open wait {number}")
        del self.waits[number]
        branch = self.branches[self.owners.pop(number)]
        branch.wait = None
        if self.opened.pop(number, None) is None:
            self.closed.append(ClosedWait(number=number, reason=reason))
        return branch

    def _open_group(self, branch: Branch, group: Group[Any]) -> GroupState:
        state = GroupState(
            number=self._number(),
            owner=branch.number,
            kind=group.kind,
            need=group.need,
            size=len(group.members),
            names=group.names,
        )
        self.groups[state.number] = state
        branch.waits_for = state.number
        if state.satisfied:
            self._finish(state)
        for place, member in enumerate(group.members):
            # A member that is done at once may have decided the group.
            if state.number not in self.groups or state.error is not None:
                break
            self._begin_member(state, place, member)
        return state

    def _begin_member(self, group: GroupState, place: int, member: object) -> None:
        child = Branch(self._number(), group.number, place)
        self.branches[child.number] = child
        group.members[child.number] = place
        if isinstance(member, Invocation):
            child.begin(member)
            self._step(child, None, None)
        else:
            self._register(child, member)

    def _next_of_stream(self, branch: Branch, stream: Stream) -> None:
        if stream.number is None:
            # The owner does not wait yet: members that are done at once are queued.
            stream.number = self.next_number
            group = self._open_group(branch, stream.group)
        else:
            group = self.groups[stream.number]
        branch.waits_for = group.number
        group.waiting = True
        self._feed(group)

    def _feed(self, group: GroupState) -> None:
        """Give a waiting stream its error, its next result, or its end."""
        if not group.waiting:
            return
        owner = self.branches[group.owner]
        if group.results:
            place, part = group.results.pop(0)
            group.waiting = False
            self._settle(owner, group.done(place, part.live(self.decoder)))
        elif group.error is not None:
            group.waiting = False
            error = group.error.live(self.decoder)
            del self.groups[group.number]
            self._unsettle(owner, error)
        elif not group.members:
            group.waiting = False
            self._settle(owner, None)

    def _close_stream(self, stream: Stream) -> BaseException | None:
        """Cancel what is left of a stream; the error of a member's clean-up, if any."""
        group = self.groups.pop(stream.number, None) if stream.number is not None else None
        return self._cancel_members(group) if group is not None else None

    def _settle(self, branch: Branch, value: object) -> None:
        """What the branch waited for is there."""
        branch.waits_for = None
        if branch.has_frames:
            self._ready.append((branch, value, None))
        else:
            self._complete(branch, value)

    def _unsettle(self, branch: Branch, error: BaseException) -> None:
        """What the branch waited for failed."""
        branch.waits_for = None
        if branch.has_frames:
            self._ready.append((branch, None, error))
        else:
            self._fail(branch, error)

    def _complete(self, branch: Branch, value: object) -> None:
        del self.branches[branch.number]
        if branch.group is None:
            self.ended = Returned(value)
            return
        group = self.groups[branch.group]
        del group.members[branch.number]
        if group.kind == "limit" and branch.place == 1:
            self._abort(group, WaitTimeout("the time limit is over"))
            return
        group.results.append((branch.place, Part(value=value)))
        if group.kind == "stream":
            self._feed(group)
        elif group.satisfied:
            self._finish(group)

    def _fail(self, branch: Branch, error: BaseException) -> None:
        del self.branches[branch.number]
        if branch.group is None:
            self.ended = Raised(error)
            return
        group = self.groups[branch.group]
        del group.members[branch.number]
        if group.kind == "stream":
            self._cancel_members(group)
            group.error = Part(value=error)
            self._feed(group)
        else:
            self._abort(group, error)

    def _finish(self, group: GroupState) -> None:
        """The group has what it needs: cancel the losers, hand over the value."""
        del self.groups[group.number]
        left = self._cancel_members(group)
        owner = self.branches[group.owner]
        if left is not None:
            self._unsettle(owner, left)
            return
        live = {place: part.live(self.decoder) for place, part in group.results}
        self._settle(owner, group.value(live))

    def _abort(self, group: GroupState, error: BaseException) -> None:
        del self.groups[group.number]
        self._cancel_members(group)
        self._unsettle(self.branches[group.owner], error)

    def _cancel_members(self, group: GroupState) -> BaseException | None:
        """Cancel all members; the first error that one of their clean-ups raised."""
        first: BaseException | None = None
        for number in list(group.members):
            branch = self.branches.get(number)
            if branch is not None:
                first = self._cancel_loser(branch) or first
        group.members.clear()
        return first

    def _release(self, branch: Branch) -> BaseException | None:
        """Take a branch off what it waits for, cancelling everything below it."""
        self._ready = deque(item for item in self._ready if item[0] is not branch)
        if branch.wait is not None:
            self._close_wait(branch.wait, "cancelled")
        group = self.groups.pop(branch.waits_for, None) if branch.waits_for is not None else None
        branch.waits_for = None
        return self._cancel_members(group) if group is not None else None

    def _cancel_loser(self, branch: Branch) -> BaseException | None:
        left = self._release(branch)
        if branch.has_frames:
            self._restore(branch)
            left = self._unwind(branch) or left
        del self.branches[branch.number]
        return left

    def _unwind(self, branch: Branch) -> BaseException | None:
        """Raise at the await until the branch ends: a loser may not await again."""
        for _ in range(STUBBORN):
            step = branch.step(error=WaitCancelled("the branch was cancelled"))
            while isinstance(step, Asked) and isinstance(step.request, Close):
                step = branch.step(None, self._close_stream(step.request.stream))
            if isinstance(step, Returned):
                return None
            if isinstance(step, Raised):
                return None if isinstance(step.error, WaitCancelled) else step.error
        assert branch.stack is not None
        branch.stack.drop()
        branch.stack = None
        return None

    def _interrupt(self, branch: Branch, error: BaseException) -> None:
        left = self._release(branch)
        self._ready.append((branch, None, left or error))

    def _serve_cancel_requests(self) -> None:
        while self._cancel_requests and self.ended is None:
            name = self._cancel_requests.pop(0)
            for branch in [b for b in self.branches.values() if name in b.scope_names]:
                if self.branches.get(branch.number) is branch:
                    self._cancel_scope_of(branch, name)

    def _cancel_scope_of(self, branch: Branch, name: str) -> None:
        self._restore(branch)
        scope = next(scope for scope in branch.scopes if scope.name == name)
        if not scope.cancelled:
            scope.cancelled = True
            self._interrupt(branch, _cancelled_by(scope))

    def _branch(self, number: int) -> Branch:
        try:
            return self.branches[number]
        except KeyError:
            raise SnapshotError("the instance has ended") from None


def _cancelled_by(scope: Scope) -> WaitCancelled:
    error = WaitCancelled(f"the scope {scope.name!r} was cancelled")
    error.scope = scope  # type: ignore[attr-defined]  # the scope absorbs only its own
    return error
