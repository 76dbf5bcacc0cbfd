"""A saved instance as a person reads it, and changes to it by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import CellType
from typing import Any, Final

import msgspec

from resumable.errors import NotSaveable
from resumable.kernel.program import Program
from resumable.kernel.saving import Loaded, SavedFrame

_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameView:
    """One suspended call: the function's name, the line it waits in, its variables."""

    branch: int
    function: str
    line: int
    locals: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """The live values of a snapshot.

    ``frames`` are ordered by branch, outermost first; ``locals`` are those of
    the innermost frame of the first branch.
    """

    state: Mapping[str, Any]
    frames: tuple[FrameView, ...]

    @property
    def locals(self) -> Mapping[str, Any]:
        first = [frame for frame in self.frames if frame.branch == self.frames[0].branch]
        return first[-1].locals if first else {}


def view(program: Program, snapshot: str) -> View:
    """Everything a snapshot holds, decoded."""
    loaded = program.load(snapshot, _NEVER)
    frames = tuple(
        FrameView(
            branch=number,
            function=function.python.__name__,
            line=function.point(point).line,
            locals={name: _content(values[name]) for name in _shown(values)},
        )
        for number, stack in _stacks(loaded)
        for function, point, values in stack
    )
    return View(state=loaded.state(), frames=frames)


def patch(
    program: Program,
    snapshot: str,
    *,
    state: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Change state fields, or variables of the innermost frame of the first branch.

    :returns: the new snapshot, and per changed name its encoded value before and after.
    :raises ValueError: an unknown name, or a value that does not fit its type.
    """
    loaded = program.load(snapshot, _NEVER)
    difference: dict[str, Any] = {}
    for name, value in (state or {}).items():
        fields = type(loaded.owner).__resumable__.fields
        if name not in fields:
            raise ValueError(f"{program.name} has no state field {name!r}; it has {', '.join(fields) or 'none'}")
        before = getattr(loaded.owner, name, None)
        after = _fitting(name, fields[name], value)
        difference[name] = _change(program, name, before, after)
        setattr(loaded.owner, name, after)
    if locals:
        difference.update(_patch_locals(program, loaded, locals))
    try:
        text, _ = loaded.text()
    except NotSaveable as error:
        raise ValueError(str(error)) from error
    return text, difference


def _patch_locals(program: Program, loaded: Loaded, changes: Mapping[str, Any]) -> dict[str, Any]:
    stacks = list(_stacks(loaded))
    if not stacks:
        raise ValueError(f"the instance of {program.name} runs nothing, so it has no variables")
    function, _, values = stacks[0][1][-1]
    hints = {p.name: p.type for p in program.parameters} if function.python.__name__ == "run" else {}
    difference: dict[str, Any] = {}
    for name, value in changes.items():
        if name == "self" or name not in _shown(values):
            known = ", ".join(_shown(values)) or "none"
            raise ValueError(f"{function.name} has no variable {name!r} here; it has {known}")
        after = _fitting(name, hints.get(name, Any), value)
        difference[name] = _change(program, name, _content(values[name]), after)
        if isinstance(values[name], CellType):
            values[name].cell_contents = after
        else:
            values[name] = after
    return difference


def _stacks(loaded: Loaded) -> Iterator[tuple[int, list[SavedFrame]]]:
    for number, branch in sorted(loaded.run.branches.items()):
        if branch.saved is not None:
            frames, _ = branch.saved.live(loaded.decoder)
            yield number, frames


def _shown(values: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted(values) if not name.startswith("@") and name != "self"]


def _content(value: Any) -> Any:
    if not isinstance(value, CellType):
        return value
    try:
        return value.cell_contents
    except ValueError:
        return None


def _change(program: Program, name: str, before: Any, after: Any) -> dict[str, Any]:
    try:
        return {"from": program.encode(before), "to": program.encode(after)}
    except NotSaveable as error:
        raise ValueError(f"{name}: {error}") from error


def _fitting(name: str, declared: Any, value: Any) -> Any:
    if declared is Any or type(value) is declared:
        return value
    try:
        return msgspec.convert(value, type=declared)
    except msgspec.ValidationError as error:
        raise ValueError(f"{name}: {error}") from error
    except TypeError:
        # A type that msgspec does not know.
        if isinstance(declared, type) and not isinstance(value, declared):
            raise ValueError(f"{name}: a {declared.__name__} is needed, not {value!r}") from None
        return value
