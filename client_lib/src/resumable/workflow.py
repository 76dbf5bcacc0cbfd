"""The class that authors derive their workflows from."""

from __future__ import annotations

import copy
import inspect
import logging
import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FunctionType
from typing import Any, ClassVar, Final

from resumable.criteria import Criteria
from resumable.errors import DefinitionError
from resumable.functions import wrapped
from resumable.kernel.run import current_run, running
from resumable.signal import Signal
from resumable.waits import Match

_logger: Final = logging.getLogger("resumable.workflow")

_CRON: Final = re.compile(r"\S+( \S+){4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCondition:
    """A standing wait: each signal that meets it starts an instance."""

    signal_class: type[Signal]
    criteria: Criteria

    @property
    def signal(self) -> str:
        """The signal's wire name."""
        return self.signal_class.__signal_name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """What the class statement of a workflow says.

    ``fields`` are the declared state fields with their types; ``key`` is the
    field of the start signal that gives an instance its key; ``schedule`` a
    crontab line in UTC or an interval.
    """

    name: str
    label: str
    starts: tuple[StartCondition, ...]
    key: str | None
    schedule: str | timedelta | None
    fields: dict[str, Any]
    abstract: bool


class Workflow:
    """Derive from it and write ``async def run``.

    Annotated fields are the state; it is saved after each turn. ``run`` and
    every ``async def`` of the class are resumable.

    :param version: label of this version; instances stay on the source they began with.
    :param starts_on: a signal class, a match, or a list of them: each matching
        signal starts an instance, and ``run`` gets it.
    :param key: field of the start signal (dotted path) of which only one
        instance may be live at a time.
    :param schedule: a crontab line (UTC) or an interval; ``run`` gets nothing.
    :param name: name of the workflow, if not that of the class.
    """

    __resumable__: ClassVar[Definition]

    def __init_subclass__(
        cls,
        *,
        version: str = "1",
        starts_on: Any = (),
        key: str | None = None,
        schedule: str | timedelta | None = None,
        name: str | None = None,
        **rest: Any,
    ) -> None:
        super().__init_subclass__(**rest)
        place = _Place(cls)
        if "__init__" in cls.__dict__:
            raise place.error("a workflow has no __init__: give state fields default values, set the rest in run()")
        for attribute, value in list(cls.__dict__.items()):
            _make_resumable(cls, attribute, value)
        _adopt_mixins(cls)
        run = getattr(cls, "run", None)
        if run is not None and not hasattr(run, "__resumable_function__"):
            raise place.error("run must be an `async def`")
        if run is not None and not inspect.signature(run).parameters:
            raise place.error("run must take self")
        if not version or not isinstance(version, str):
            raise place.error(f'version= is a label such as "1", not {version!r}')
        cls.__resumable__ = Definition(
            name=name or cls.__name__,
            label=version,
            starts=tuple(_start_condition(place, start) for start in _as_list(starts_on)),
            key=_checked_key(place, key, starts_on),
            schedule=_checked_schedule(place, schedule),
            fields=_state_fields(cls),
            abstract=run is None,
        )

    def __new__(cls, *args: Any, **kwargs: Any) -> typing.Self:
        if args or kwargs:
            raise TypeError(f"{cls.__name__} takes no arguments; they go to run() when an instance starts")
        self = super().__new__(cls)
        for field in cls.__resumable__.fields:
            if hasattr(cls, field):
                # A list or dict as default belongs to this instance alone.
                object.__setattr__(self, field, copy.deepcopy(getattr(cls, field)))
        return self

    def __setattr__(self, name: str, value: object) -> None:
        settable = hasattr(getattr(type(self), name, None), "__set__")
        if name not in type(self).__resumable__.fields and not settable:
            declared = ", ".join(type(self).__resumable__.fields) or "none"
            raise AttributeError(
                f"{type(self).__name__} declares no state field {name!r} (declared: {declared}); "
                f"add `{name}: <type>` to the class"
            )
        object.__setattr__(self, name, value)

    def cancel(self, name: str) -> None:
        """Cancel the open ``cancel_scope`` of this name; it ends when the code next awaits.

        :raises UnknownScope: no scope of this name is open.
        """
        running().request_cancel(name)

    @property
    def log(self) -> InstanceLog:
        """A logger whose records carry the instance's ids as ``extra``."""
        run = current_run.get(None)
        return InstanceLog(self, run.ids if run else {})


class InstanceLog(logging.LoggerAdapter[logging.Logger]):
    """The logger of one workflow object. A snapshot keeps it as the attribute that it is."""

    __attribute_of__: ClassVar[str] = "log"

    def __init__(self, owner: Workflow, ids: Mapping[str, str]) -> None:
        super().__init__(_logger, {"workflow": type(owner).__resumable__.name, **ids})
        self.owner = owner


def now() -> datetime:
    """The turn's clock: the same moment wherever it is asked within one turn.

    :raises OutsideTurn: outside a workflow.
    """
    return running().now


class _Place:
    """Where a class stands, for errors about its statement."""

    def __init__(self, cls: type) -> None:
        functions = [value for value in cls.__dict__.values() if isinstance(value, FunctionType)]
        codes = [function.__code__ for function in functions]
        self.title = cls.__qualname__
        self.path = codes[0].co_filename if codes else ""
        self.line = min((code.co_firstlineno for code in codes), default=0)

    def error(self, message: str) -> DefinitionError:
        return DefinitionError(f"{self.title}: {message}", path=self.path, line=self.line)


def _adopt_mixins(cls: type) -> None:
    """Sub-functions of bases that are no workflows become resumable on the workflow that has them."""
    for base in cls.__mro__[1:]:
        if base is object or issubclass(base, Workflow):
            continue
        for name, value in vars(base).items():
            if inspect.getattr_static(cls, name) is value:
                _make_resumable(cls, name, value, owner=cls)


def _make_resumable(cls: type, name: str, value: Any, owner: type | None = None) -> None:
    kind = type(value) if isinstance(value, (staticmethod, classmethod)) else None
    function = value.__func__ if kind else value
    written_async = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
    if isinstance(function, FunctionType) and written_async:
        made: Any = wrapped(function, owner)
        setattr(cls, name, kind(made) if kind else made)


def _state_fields(cls: type) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base is Workflow or base is object:
            continue
        hints = _hints(base)
        fields.update({name: hint for name, hint in hints.items() if not _is_class_variable(hint)})
    return fields


def _hints(base: type) -> dict[str, Any]:
    own = inspect.get_annotations(base)
    try:
        found = typing.get_type_hints(base)
    except (NameError, TypeError):
        # Types that only the scope around the class knows are not checked.
        return {name: _unresolved(hint) for name, hint in own.items()}
    return {name: found[name] for name in own}


def _unresolved(hint: Any) -> Any:
    class_variable = isinstance(hint, str) and "ClassVar" in hint
    return typing.ClassVar if class_variable else hint if not isinstance(hint, str) else Any


def _is_class_variable(hint: Any) -> bool:
    return hint is typing.ClassVar or typing.get_origin(hint) is typing.ClassVar


def _as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _start_condition(place: _Place, start: Any) -> StartCondition:
    if isinstance(start, Match):
        if start.predicate or start.limit is not None or start.lookback is not None:
            raise place.error("starts_on= takes a match without .where, .within or .since: there is no instance yet")
        return StartCondition(signal_class=start.signal, criteria=start.criteria)
    if isinstance(start, type) and issubclass(start, Signal):
        return StartCondition(signal_class=start, criteria=Criteria.build(start))
    raise place.error(f"starts_on= takes a Signal class, a match, or a list of them, not {start!r}")


def _checked_key(place: _Place, key: str | None, starts_on: Any) -> str | None:
    if key is None:
        return None
    if not isinstance(key, str):
        raise place.error(f"key= names a field of the start signal, not {key!r}")
    for start in _as_list(starts_on):
        signal = start.signal if isinstance(start, Match) else start
        first = key.replace("__", ".").split(".")[0]
        if first not in signal.__struct_fields__:
            raise place.error(f"key={key!r}: {signal.__name__} has no field {first!r}")
    return key.replace("__", ".")


def _checked_schedule(place: _Place, schedule: Any) -> str | timedelta | None:
    if schedule is None or (isinstance(schedule, str) and _CRON.fullmatch(schedule.strip())):
        return schedule
    if isinstance(schedule, timedelta) and schedule >= timedelta(seconds=1):
        return schedule
    raise place.error(
        f'schedule= is a crontab line such as "0 9 * * 1" or a timedelta of a second or more, not {schedule!r}'
    )
