"""Kinds of values that lookups compare: how each is read from JSON and written canonically.

A signal's payload is matched as plain JSON, before any class of the author is
loaded. The declared type of a field says how its JSON is to be understood;
that is its *kind*.
"""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

#: Kinds whose values compare as numbers, whatever they were written as.
NUMBER: Final = "number"
ANY: Final = "any"

_BY_TYPE: Final[dict[Any, str]] = {
    str: "str",
    bool: "bool",
    int: NUMBER,
    float: NUMBER,
    Decimal: NUMBER,
    datetime: "datetime",
    date: "date",
    time: "time",
    timedelta: "timedelta",
    UUID: "uuid",
    bytes: "bytes",
}

_PYTHON_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "str": (str,),
    "bool": (bool,),
    NUMBER: (int, float, Decimal),
    "datetime": (datetime,),
    "date": (date,),
    "time": (time,),
    "timedelta": (timedelta,),
    "uuid": (UUID,),
    "bytes": (bytes,),
}


def fits(kind: str, value: object) -> bool:
    """Whether a lookup value can ever equal a field of this kind."""
    if kind == ANY or value is None:
        return True
    if isinstance(value, bool) and kind != "bool":
        return False
    if kind == "date" and isinstance(value, datetime):
        return False
    return isinstance(value, _PYTHON_TYPES[kind])


def kind_of_value(value: object) -> str:
    """The kind a bare value compares as."""
    return _BY_TYPE.get(type(value), ANY)


def kind_of_type(annotation: Any) -> str:
    """The kind of a declared field type; ``any`` when it has no single kind."""
    annotation = _without_none(annotation)
    if isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return ANY
    return _BY_TYPE.get(annotation, ANY)


def field_type(owner: Any, name: str) -> Any:
    """The declared type of ``owner.name``; ``Any`` where nothing is declared.

    :raises AttributeError: a structured type that has no such field.
    """
    owner = _without_none(owner)
    origin = typing.get_origin(owner) or owner
    if origin is dict:
        arguments = typing.get_args(owner)
        return arguments[1] if len(arguments) == 2 else Any
    if _has_no_fields(origin):
        raise AttributeError(name)
    hints = _hints(origin)
    if hints is None:
        return Any
    if name not in hints:
        raise AttributeError(name)
    return hints[name]


def _has_no_fields(owner: Any) -> bool:
    sequences = (list, tuple, set, frozenset)
    return owner in _BY_TYPE or owner in sequences or (isinstance(owner, type) and issubclass(owner, enum.Enum))


def _hints(owner: Any) -> dict[str, Any] | None:
    if not isinstance(owner, type) or not getattr(owner, "__annotations__", None):
        return None
    try:
        return typing.get_type_hints(owner)
    except (NameError, TypeError):
        # A type that is only known where it is written: fall back to the
        # names alone, so that a misspelt field is still an error.
        names: dict[str, Any] = {}
        for base in reversed(owner.__mro__):
            names.update(dict.fromkeys(getattr(base, "__annotations__", {}), Any))
        return names


def _without_none(annotation: Any) -> Any:
    if typing.get_origin(annotation) is typing.Annotated:
        return _without_none(typing.get_args(annotation)[0])
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        rest = [arm for arm in typing.get_args(annotation) if arm is not type(None)]
        return _without_none(rest[0]) if len(rest) == 1 else Any
    return annotation


def read(kind: str, raw: object) -> object:
    """A JSON value as the kind understands it; unreadable values stay as they are."""
    reader = _READERS.get(kind)
    if reader is None or raw is None:
        return raw
    try:
        return reader(raw)
    except (ValueError, ArithmeticError, msgspec.ValidationError):
        return raw


def _read_number(raw: object) -> object:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, (int, str)):
        return Decimal(raw)
    if isinstance(raw, float):
        return Decimal(repr(raw))
    return raw


def _reader(target: Any) -> Callable[[object], object]:
    def convert(raw: object) -> object:
        return msgspec.convert(raw, type=target)

    return convert


_READERS: Final[dict[str, Callable[[object], object]]] = {
    NUMBER: _read_number,
    "datetime": _reader(datetime),
    "date": _reader(date),
    "time": _reader(time),
    "timedelta": _reader(timedelta),
    "uuid": _reader(UUID),
    "bytes": _reader(bytes),
}


def canonical(value: object) -> str:
    """One text for all spellings of a value: ``1.0`` and ``1.00``, one moment in two zones."""
    if isinstance(value, str):
        return "s" + value
    if value is None:
        return "n"
    if isinstance(value, bool):
        return "b1" if value else "b0"
    if isinstance(value, (int, float, Decimal)):
        return "d" + number_text(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return "t" + value.astimezone(UTC).isoformat()
    if isinstance(value, timedelta):
        return f"i{value // timedelta(microseconds=1)}"
    if isinstance(value, (datetime, date, time)):
        return "t" + value.isoformat()
    if isinstance(value, bytes):
        return "x" + value.hex()
    if isinstance(value, UUID):
        return "u" + str(value)
    return "j" + msgspec.json.encode(value, order="deterministic").decode()


def number_text(value: float | Decimal) -> str:
    """A number without the zeros that do not change it.

    ``Decimal.normalize`` would round to the context's precision.
    """
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite():
        return str(number)
    sign, digits, exponent = number.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    stripped = text.rstrip("0")
    if not stripped:
        return "0"
    power = int(exponent) + len(text) - len(stripped)
    return f"{'-' if sign else ''}{stripped}" + (f"e{power}" if power else "")
