"""Between the parts of a snapshot and the run of a turn: loading the one, writing the other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from types import CellType
from typing import Any, Final, Literal, cast

from resumable import groups, scopes, waits
from resumable.compiler.function import Function
from resumable.errors import NotSaveable
from resumable.functions import Invocation
from resumable.kernel import iterators, snapshot
from resumable.kernel.branches import Branch, GroupState
from resumable.kernel.decoder import Decoder
from resumable.kernel.encoder import Encoder
from resumable.kernel.frames import captured
from resumable.kernel.references import References
from resumable.kernel.run import Run
from resumable.kernel.snapshot import Part
from resumable.kernel.turn import OpenWait

#: The library's own classes in snapshots, under names that never change.
KNOWN: Final[dict[str, type]] = {
    "Match": waits.Match,
    "Timer": waits.Timer,
    "Invocation": Invocation,
    "Group": groups.Group,
    "Done": groups.Done,
    "Results": groups.Results,
    "Stream": groups.Stream,
    "AsCompleted": groups.AsCompleted,
    "Scope": scopes.Scope,
    "SequenceIterator": iterators.SequenceIterator,
    "ReversedIterator": iterators.ReversedIterator,
    "MappingIterator": iterators.MappingIterator,
    "SetIterator": iterators.SetIterator,
    "EnumerateIterator": iterators.EnumerateIterator,
    "ZipIterator": iterators.ZipIterator,
}

ALIASES: Final[dict[type, str]] = {cls: alias for alias, cls in KNOWN.items()}

#: function, point, locals
SavedFrame = tuple[Function, str, dict[str, Any]]


class SavedStack(Part):
    """The frames and open scopes of a branch that is not running."""

    __slots__ = ("_references",)

    def __init__(self, references: References, raw: Any, refs: list[int]) -> None:
        super().__init__(raw, refs)
        self._references = references

    def live(self, decoder: Decoder) -> tuple[list[SavedFrame], list[scopes.Scope]]:
        if self._raw is not None:
            frames = [self._frame(decoder, data) for data in self._raw["frames"]]
            opened = [decoder.decode(data) for _, data in self._raw.get("scopes", ())]
            self._value, self._raw = (frames, opened), None
        return cast("tuple[list[SavedFrame], list[scopes.Scope]]", self._value)

    def _frame(self, decoder: Decoder, data: dict[str, Any]) -> SavedFrame:
        function = self._references.resolve(data["fn"]).__resumable_function__
        values = {name: decoder.decode(item) for name, item in data["locals"].items()}
        return function, data["at"], values

    def encode(self, encoder: Encoder) -> list[Any]:
        if self._raw is not None:
            return [self._raw, list(self.refs)]
        frames, opened = self._value
        encoder.used = set()
        raw = encoded_stack(encoder, self._references, frames, opened)
        return [raw, sorted(encoder.used)]


def encoded_stack(
    encoder: Encoder, references: References, frames: list[SavedFrame], opened: list[scopes.Scope]
) -> dict[str, Any]:
    written = [
        {
            "fn": references.name(function.wrapper),
            "at": point,
            "locals": {name: _local(encoder, frame, name) for name in sorted(frame[2])},
        }
        for frame in frames
        for function, point, _ in (frame,)
    ]
    data: dict[str, Any] = {"frames": written}
    if opened:
        data["scopes"] = [[scope.name, encoder.encode(scope)] for scope in opened]
    return data


def _local(encoder: Encoder, frame: SavedFrame, name: str) -> Any:
    function, point, values = frame
    try:
        return encoder.encode(values[name])
    except NotSaveable as error:
        what = "a value inside an expression" if name.startswith("@") else f"the variable {name!r}"
        value = values[name]
        if isinstance(value, CellType):
            value = value.cell_contents
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        raise NotSaveable(
            f"{what} (a {kind}) of {function.name} cannot be saved at the await in line "
            f"{function.point(point).line} of {function.path}: {error}"
        ) from error


class Loaded:
    """A snapshot opened for a turn: the workflow object and its run."""

    def __init__(
        self,
        workflow: type,
        references: References,
        text: str | None,
        now: datetime,
        ids: Mapping[str, str],
    ) -> None:
        data = snapshot.blank() if text is None else snapshot.read(text)
        self._references = references
        self._objects: dict[str, Any] = data["objects"]
        self.owner: Any = workflow()
        self.decoder = Decoder(references, self.owner, KNOWN, self._objects)
        for name, item in data["state"].items():
            object.__setattr__(self.owner, name, self.decoder.decode(item))
        self.run = Run(now=now, decoder=self.decoder, next_number=data["next"], ids=ids)
        self.run.cancelling = data["cancelling"]
        for number, item in data["branches"].items():
            self.run.branches[int(number)] = self._branch(int(number), item)
        for number, item in data["groups"].items():
            self.run.groups[int(number)] = _group(int(number), item)
        for number, item in data["waits"].items():
            self.run.waits[int(number)] = item
            self.run.owners[int(number)] = item["branch"]

    def _branch(self, number: int, data: dict[str, Any]) -> Branch:
        branch = Branch(
            number,
            data.get("group"),
            data.get("place", 0),
            data.get("wait"),
            data.get("waits_for"),
        )
        if "stack" in data:
            raw, refs = data["stack"]
            branch.saved = SavedStack(self._references, raw, refs)
            branch.scope_names = [name for name, _ in raw.get("scopes", ())]
        return branch

    def text(self) -> tuple[str, dict[str, Any]]:
        """The snapshot of the run as it stands, and its encoded state.

        :raises NotSaveable: names the variable, its type, the function and the line.
        """
        pinned_raw = snapshot.named_objects(self._objects, self._raw_refs())
        made = self.decoder.made
        pinned = {id(made[number]): number for number in pinned_raw if number in made}
        encoder = Encoder(self._references, self.owner, ALIASES, pinned)
        kept = [made[number] for number in sorted(pinned_raw & made.keys())]
        parts = self._written(encoder, kept)
        if encoder.restart(max(pinned_raw, default=0) + 1):
            parts = self._written(encoder, kept)
        objects = {str(number): self._objects[str(number)] for number in pinned_raw}
        objects.update({str(number): data for number, data in encoder.objects.items()})
        data = {
            "format": snapshot.FORMAT,
            "next": self.run.next_number,
            "cancelling": self.run.cancelling,
            **parts,
            "objects": objects,
            "waits": {str(number): _wait_data(wait) for number, wait in self.run.waits.items()},
        }
        return snapshot.write(data), parts["state"]

    def _raw_refs(self) -> list[int]:
        refs: list[int] = []
        for branch in self.run.branches.values():
            if branch.saved is not None and branch.saved.is_raw:
                refs += branch.saved.refs
        for group in self.run.groups.values():
            for part in [part for _, part in group.results] + [group.error]:
                if part is not None and part.is_raw:
                    refs += part.refs
        return refs

    def _written(self, encoder: Encoder, kept: list[Any]) -> dict[str, Any]:
        """One pass over everything that may share an object; ``kept`` must be in the table in any case."""
        parts = {
            "state": {name: self._state(encoder, name) for name in self._set_fields()},
            "branches": {
                str(number): self._branch_data(encoder, branch) for number, branch in self.run.branches.items()
            },
            "groups": {str(number): _group_data(encoder, group) for number, group in self.run.groups.items()},
        }
        for shared in kept:
            encoder.encode(shared)
        return parts

    def state(self) -> dict[str, Any]:
        """The declared fields that have a value, live."""
        return {name: getattr(self.owner, name) for name in self._set_fields()}

    def _set_fields(self) -> list[str]:
        held = vars(self.owner)
        return [name for name in type(self.owner).__resumable__.fields if name in held]

    def _state(self, encoder: Encoder, name: str) -> Any:
        try:
            return encoder.encode(getattr(self.owner, name))
        except NotSaveable as error:
            kind = type(getattr(self.owner, name))
            raise NotSaveable(
                f"the state field {name!r} (a {kind.__module__}.{kind.__qualname__}) of "
                f"{type(self.owner).__name__} cannot be saved: {error}"
            ) from error

    def _branch_data(self, encoder: Encoder, branch: Branch) -> dict[str, Any]:
        data: dict[str, Any] = {}
        if branch.group is not None:
            data = {"group": branch.group, "place": branch.place}
        if branch.wait is not None:
            data["wait"] = branch.wait
        if branch.waits_for is not None:
            data["waits_for"] = branch.waits_for
        if branch.saved is not None:
            data["stack"] = branch.saved.encode(encoder)
        elif branch.stack is not None:
            frames = [(frame.function, frame.point, captured(frame)) for frame in branch.stack.frames()]
            encoder.used = set()
            raw = encoded_stack(encoder, self._references, frames, branch.scopes)
            data["stack"] = [raw, sorted(encoder.used)]
        return data

    def drop(self) -> None:
        """Let go of every live coroutine without running code of the author's."""
        for branch in self.run.branches.values():
            if branch.stack is not None:
                branch.stack.drop()


def _group(number: int, data: dict[str, Any]) -> GroupState:
    names = data.get("names")
    state = GroupState(
        number=number,
        owner=data["owner"],
        kind=data["kind"],
        need=data["need"],
        size=data["size"],
        names=tuple(names) if names else None,
    )
    state.members = {int(member): place for member, place in data["members"].items()}
    state.results = [(place, Part(raw, refs)) for place, raw, refs in data["results"]]
    state.waiting = data.get("waiting", False)
    if "error" in data:
        state.error = Part(*data["error"])
    return state


def _group_data(encoder: Encoder, group: GroupState) -> dict[str, Any]:
    data: dict[str, Any] = {
        "owner": group.owner,
        "kind": group.kind,
        "need": group.need,
        "size": group.size,
        "members": {str(member): place for member, place in group.members.items()},
        "results": [[place, *_result(encoder, group, place, part)] for place, part in group.results],
    }
    if group.names:
        data["names"] = list(group.names)
    if group.waiting:
        data["waiting"] = True
    if group.error is not None:
        data["error"] = group.error.encode(encoder)
    return data


def _result(encoder: Encoder, group: GroupState, place: int, part: Part) -> list[Any]:
    try:
        return part.encode(encoder)
    except NotSaveable as error:
        member = group.name_of(place) or str(place)
        raise NotSaveable(
            f"the result of member {member} of a group cannot be kept until the others: {error}"
        ) from error


def _wait_data(wait: OpenWait | dict[str, Any]) -> dict[str, Any]:
    if isinstance(wait, dict):
        return wait
    since = wait.since
    data = {
        "kind": wait.kind,
        "name": wait.name,
        "signal": wait.signal,
        "criteria": wait.criteria,
        "where": wait.where,
        "since": since if since is None or isinstance(since, str) else since.total_seconds(),
        "due_at": wait.due_at.isoformat() if wait.due_at else None,
        "line": wait.line,
        "function": wait.function,
        "branch": wait.branch,
    }
    return {name: value for name, value in data.items() if value is not None}


def open_wait(number: int, data: OpenWait | dict[str, Any]) -> OpenWait:
    """A wait as a snapshot holds it."""
    if isinstance(data, OpenWait):
        return data
    since: Any = data.get("since")
    due_at = data.get("due_at")
    window: timedelta | Literal["start"] | None
    window = timedelta(seconds=since) if isinstance(since, (int, float)) else since
    return OpenWait(
        number=number,
        kind=data["kind"],
        name=data.get("name"),
        signal=data.get("signal"),
        criteria=data.get("criteria"),
        where=data.get("where"),
        since=window,
        due_at=datetime.fromisoformat(due_at) if due_at else None,
        line=data["line"],
        function=data["function"],
        branch=data["branch"],
    )
