"""A workflow class made ready to run: what the engine and the test shell ask of it."""

from __future__ import annotations

import inspect
import sys
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from resumable import kinds
from resumable.criteria import fetch, key_text
from resumable.errors import DefinitionError
from resumable.kernel.decoder import Decoder
from resumable.kernel.encoder import Encoder
from resumable.kernel.references import References
from resumable.kernel.saving import ALIASES, KNOWN, Loaded
from resumable.signal import Signal

if TYPE_CHECKING:
    from resumable.workflow import StartCondition, Workflow

_EPOCH_IDS: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of ``run``: its name, declared type, and whether it may be left out."""

    name: str
    type: Any
    optional: bool


class Program:
    """One version of one workflow. Cheap to ask, safe to share between threads."""

    def __init__(self, workflow: type[Workflow]) -> None:
        definition = workflow.__resumable__
        if definition.abstract:
            raise DefinitionError(f"{workflow.__qualname__} has no `async def run`")
        self.workflow = workflow
        self.name = definition.name
        self.label = definition.label
        self.doc = inspect.getdoc(workflow) if workflow.__doc__ else ""
        self.key_field = definition.key
        self.schedule: str | timedelta | None = definition.schedule
        self.starts: tuple[StartCondition, ...] = definition.starts
        self.references = References(workflow)
        self.parameters = _parameters(workflow.run)  # type: ignore[attr-defined]  # checked above
        self.signals: tuple[type[Signal], ...] = tuple(_signals(workflow, self.starts))
        self._signals = {signal.__signal_name__: signal for signal in self.signals}

    def __repr__(self) -> str:
        return f"<program {self.name} version {self.label}>"

    def start_key(self, args: tuple[Any, ...]) -> str | None:
        """The key of an instance started with these arguments, from ``key=`` of the class."""
        if self.key_field is None or not args or not isinstance(args[0], msgspec.Struct):
            return None
        value: Any = args[0]
        for part in self.key_field.split("."):
            value = value.get(part) if isinstance(value, Mapping) else getattr(value, part)
        return key_text(value)

    def signal_key(self, payload: Mapping[str, Any]) -> str | None:
        """The same key from a start signal's JSON payload, without loading its class."""
        if self.key_field is None:
            return None
        signal = self.starts[0].signal_class if self.starts else None
        return key_text(_typed(signal, self.key_field, fetch(payload, self.key_field)))

    def convert_args(self, args: list[Any] | dict[str, Any]) -> tuple[Any, ...]:
        """JSON arguments as ``run`` declares them.

        :raises ValueError: names the parameter and what is wrong.
        """
        given = self._by_name(args)
        values: list[Any] = []
        for parameter in self.parameters:
            if parameter.name not in given:
                if not parameter.optional:
                    raise ValueError(f"run() of {self.name} needs {parameter.name!r}")
                break
            values.append(_converted(parameter, given.pop(parameter.name)))
        if given:
            raise ValueError(f"run() of {self.name} takes no {', '.join(sorted(given))}")
        return tuple(values)

    def _by_name(self, args: list[Any] | dict[str, Any]) -> dict[str, Any]:
        if isinstance(args, dict):
            return dict(args)
        if len(args) > len(self.parameters):
            raise ValueError(f"run() of {self.name} takes {len(self.parameters)} arguments, not {len(args)}")
        return {parameter.name: value for parameter, value in zip(self.parameters, args, strict=False)}

    def signal_class(self, name: str) -> type[Signal]:
        """The class that this version's source has for a signal name.

        :raises ValueError: it has none.
        """
        found = self._signals.get(name) or _loaded_signal(Signal, name, self.workflow.__module__)
        if found is None:
            raise ValueError(f"{self.name} version {self.label} has no signal {name!r}")
        self._signals[name] = found
        return found

    def read_signal(self, name: str, payload: bytes | str | Mapping[str, Any]) -> Signal:
        """A payload as this version's class of the signal.

        :raises ValueError: the payload does not fit the class.
        """
        cls = self.signal_class(name)
        if isinstance(payload, (bytes, str)):
            return msgspec.json.decode(payload, type=cls)
        return msgspec.convert(payload, type=cls)

    def load(self, snapshot: str | None, now: datetime, ids: Mapping[str, str] = _EPOCH_IDS) -> Loaded:
        return Loaded(self.workflow, self.references, snapshot, now, ids)

    def encode(self, value: Any) -> Any:
        """A value of its own, outside any snapshot, as JSON."""
        encoder = Encoder(self.references, None, ALIASES, {})
        data = encoder.encode(value)
        if not encoder.restart(1):
            return data
        data = encoder.encode(value)
        return {"$value": data, "objects": {str(n): item for n, item in encoder.objects.items()}}

    def decode(self, data: Any) -> Any:
        """The value that :meth:`encode` wrote."""
        objects: dict[str, Any] = {}
        if isinstance(data, dict) and "$value" in data:
            data, objects = data["$value"], data["objects"]
        return Decoder(self.references, None, KNOWN, objects).decode(data)


def _parameters(run: FunctionType) -> tuple[Parameter, ...]:
    signature = inspect.signature(run.__wrapped__)  # type: ignore[attr-defined]
    try:
        hints = typing.get_type_hints(run.__wrapped__, localns=_closure_names(run))  # type: ignore[attr-defined]
    except (NameError, TypeError):
        hints = {}
    _, *parameters = signature.parameters.values()
    return tuple(
        Parameter(
            name=parameter.name,
            type=hints.get(parameter.name, Any),
            optional=parameter.default is not parameter.empty,
        )
        for parameter in parameters
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    )


def _closure_names(wrapper: FunctionType) -> dict[str, Any]:
    function: FunctionType = wrapper.__wrapped__  # type: ignore[attr-defined]
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    return {name: value for name, cell in cells if (value := _contents(cell)) is not None}


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _converted(parameter: Parameter, value: Any) -> Any:
    if parameter.type is Any:
        return value
    try:
        return msgspec.convert(value, type=parameter.type)
    except (msgspec.ValidationError, TypeError) as error:
        if isinstance(parameter.type, type) and isinstance(value, parameter.type):
            return value
        raise ValueError(f"{parameter.name}: {error}") from error


def _signals(workflow: type, starts: tuple[StartCondition, ...]) -> list[type[Signal]]:
    """Signals that the workflow's module defines or imports, or its functions close over."""
    found: dict[str, type[Signal]] = {start.signal: start.signal_class for start in starts}
    seen = list(vars(sys.modules[workflow.__module__]).values())
    for value in vars(workflow).values():
        if isinstance(value, FunctionType) and hasattr(value, "__wrapped__"):
            seen += _closure_names(value).values()
    for value in seen:
        if isinstance(value, type) and issubclass(value, Signal) and value is not Signal:
            found.setdefault(value.__signal_name__, value)
    return list(found.values())


def _loaded_signal(base: type[Signal], name: str, module: str) -> type[Signal] | None:
    """A signal class from elsewhere, the workflow's own package first."""
    package = module.rpartition(".")[0]
    pending, found = [base], []
    while pending:
        cls = pending.pop()
        pending += cls.__subclasses__()
        if cls is not base and cls.__signal_name__ == name:
            found.append(cls)
    found.sort(key=lambda cls: cls.__module__.rpartition(".")[0] != package)
    return found[0] if found else None


def _typed(signal: type[Signal] | None, path: str, raw: Any) -> Any:
    declared: Any = signal
    for part in path.split("."):
        declared = kinds.field_type(declared, part)
    return kinds.read(kinds.kind_of_type(declared), raw)
