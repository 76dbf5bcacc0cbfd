"""Writes values as JSON, keeping shared objects shared.

Whatever is not listed is refused, never altered. An object that is reached
twice goes into the snapshot's table of ``objects`` and is named by
``{"$ref": n}``, so that two names for one list are still one list afterwards.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import msgspec

from resumable.compiler.names import mangle
from resumable.criteria import Criteria
from resumable.errors import NotSaveable
from resumable.kernel import scalars
from resumable.kernel.references import References

_IN_TABLE: Final = object()


class Encoder:
    """Encodes the parts of one snapshot against one table of shared objects.

    :param owner: the workflow object, written as ``{"$self": true}``.
    :param aliases: names of the library's own classes, which need no lookup.
    :param pinned: ``id(object)`` → number of objects that must stay in the
        table, because a part that is not rewritten names them.
    """

    def __init__(
        self, references: References, owner: object, aliases: Mapping[type, str], pinned: dict[int, int]
    ) -> None:
        self._references = references
        self._owner = owner
        self._aliases = aliases
        self._numbers = dict(pinned)
        self._seen: set[int] = set()
        self._twice: dict[int, None] = {}
        self.objects: dict[int, Any] = {}
        self.used: set[int] = set()

    def restart(self, first_number: int) -> bool:
        """After a pass: number what was seen twice. False if nothing was, and the pass counts."""
        if not self._twice:
            return False
        self._numbers.update({key: number for number, key in enumerate(self._twice, first_number)})
        self._twice, self._seen, self.objects = {}, set(), {}
        return True

    def encode(self, value: Any) -> Any:
        kind = type(value)
        if kind is str:
            return scalars.encode_str(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return scalars.encode_int(value)
        if kind is float:
            return scalars.encode_float(value)
        known = scalars.ENCODERS.get(kind)
        if known is not None:
            tag, write = known
            return {tag: write(value)}
        if value is self._owner:
            return {"$self": True}
        if value is msgspec.UNSET:
            return {"$unset": True}
        if kind is Criteria:
            return {"$criteria": value.encode()}
        shared = _SHARED.get(kind) or self._other_shared(value)
        if shared is not None:
            return self._tracked(value, shared)
        return self._by_name(value)

    def _tracked(self, value: Any, write: Callable[[Encoder, Any], Any]) -> Any:
        key = id(value)
        number = self._numbers.get(key)
        if number is not None:
            self.used.add(number)
            if number not in self.objects:
                self.objects[number] = _IN_TABLE
                self.objects[number] = write(self, value)
            elif self.objects[number] is _IN_TABLE and type(value) in _MADE_WHOLE:
                raise NotSaveable(f"a {type(value).__name__} that holds itself cannot be made again")
            return {"$ref": number}
        if key in self._seen:
            self._twice[key] = None
            return None
        self._seen.add(key)
        return write(self, value)

    def _other_shared(self, value: Any) -> Callable[[Encoder, Any], Any] | None:
        if isinstance(value, BaseException):
            return Encoder._error
        if isinstance(value, (type, enum.Enum, *_CONTENT)):
            # A class that adds fields to a list or a number has content beside them.
            return None
        if isinstance(value, msgspec.Struct):
            return Encoder._struct
        if dataclasses.is_dataclass(value):
            return Encoder._dataclass
        if isinstance(value, FunctionType) and "@closure" in value.__dict__:
            return Encoder._closure
        return None

    def _by_name(self, value: Any) -> Any:
        if isinstance(value, type):
            return {"$class": self._class_name(value)}
        if isinstance(value, enum.Enum):
            # A combination of flags has a name on some releases of Python, but is no member.
            single = type(value).__members__.get(value.name or "") is value
            name = self._references.name(type(value))
            return {"$enum": [name, value.name if single else None, None if single else value.value]}
        if isinstance(value, tuple) and hasattr(value, "_fields") and not getattr(value, "__dict__", None):
            return {"$named": [self._references.name(type(value)), [self.encode(item) for item in value]]}
        if isinstance(value, ModuleType):
            return {"$module": value.__name__}
        if isinstance(value, MethodType):
            return self._method(value)
        if isinstance(value, BuiltinFunctionType) and not isinstance(value.__self__, ModuleType):
            return self._method(value)
        attribute = getattr(type(value), "__attribute_of__", None)
        if attribute is not None:
            return {"$method": [self.encode(value.owner), attribute]}
        if isinstance(value, (FunctionType, BuiltinFunctionType)):
            return {"$function": self._references.name(value)}
        raise NotSaveable(f"a {type(value).__module__}.{type(value).__qualname__} cannot be saved")

    def _method(self, method: Any) -> Any:
        """A bound method, by its owner and the name that leads to it there."""
        owner, name = method.__self__, method.__name__
        for cls in type(owner).__mro__:
            attribute = mangle(name, cls.__name__)
            if getattr(owner, attribute, None) == method:
                return {"$method": [self.encode(owner), attribute]}
        raise NotSaveable(f"the bound method {method.__qualname__} is not what {name!r} leads to on its object")

    def _class_name(self, cls: type) -> str:
        alias = self._aliases.get(cls)
        return "@" + alias if alias else self._references.name(cls)

    def _items(self, values: Iterable[Any]) -> list[Any]:
        return [self.encode(item) for item in values]

    def _list(self, value: list[Any]) -> Any:
        return [self.encode(item) for item in value]

    def _dict(self, value: dict[Any, Any]) -> Any:
        if all(type(key) is str and key[:1] != "$" and key.isascii() for key in value):
            return {key: self.encode(item) for key, item in value.items()}
        return {"$dict": [[self.encode(key), self.encode(item)] for key, item in value.items()]}

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        return {"$tuple": [self.encode(item) for item in value]}

    def _set(self, value: set[Any]) -> Any:
        return {"$set": self._items(value)}

    def _frozenset(self, value: frozenset[Any]) -> Any:
        return {"$frozenset": self._items(value)}

    def _bytearray(self, value: bytearray) -> Any:
        return {"$bytearray": scalars.ENCODERS[bytes][1](bytes(value))}

    def _cell(self, cell: CellType) -> Any:
        try:
            return {"$cell": [self.encode(cell.cell_contents)]}
        except ValueError:
            return {"$cell": []}

    def _attributes(self, values: dict[str, Any]) -> dict[str, Any]:
        return {name: self.encode(value) for name, value in values.items()}

    def _dataclass(self, value: Any) -> Any:
        names = [field.name for field in dataclasses.fields(value)]
        if type(value) not in self._aliases:
            # What `typing` notes on an instance of a generic class is no field of it.
            slots = (slot for cls in type(value).__mro__ for slot in vars(cls).get("__slots__", ()))
            own = [*getattr(value, "__dict__", {}), *slots]
            names += [name for name in own if name not in names and name not in _NO_FIELDS]
        given = {name: getattr(value, name) for name in names if hasattr(value, name)}
        return {"$data": [self._class_name(type(value)), self._attributes(given)]}

    def _struct(self, value: msgspec.Struct) -> Any:
        given = {name: getattr(value, name) for name in value.__struct_fields__}
        data = [self._class_name(type(value)), self._attributes(given)]
        own = getattr(value, "__dict__", None)
        return {"$struct": [*data, self._attributes(own)] if own else data}

    def _error(self, error: BaseException) -> Any:
        reduced: tuple[Any, ...] = builtin_base(type(error)).__reduce__(error)  # type: ignore[assignment]  # typeshed also allows a name
        _, arguments, *state = reduced
        data: dict[str, Any] = {
            "type": self._class_name(type(error)),
            "args": self._items(arguments),
        }
        noted = {name: getattr(error, name) for name in _NOTED if getattr(error, name, None) is not None}
        attributes = {**noted, **(state[0] if state and isinstance(state[0], dict) else {})}
        if attributes:
            data["attributes"] = self._attributes(attributes)
        for name in ("cause", "context"):
            linked = getattr(error, f"__{name}__")
            if linked is not None:
                data[name] = self.encode(linked)
        if error.__suppress_context__:
            data["suppress"] = True
        return {"$error": data}

    def _closure(self, function: FunctionType) -> Any:
        reference, number = function.__dict__["@closure"]
        module, _, name = reference.partition(":")
        of = self._references.relative(module, name)
        # Variables of the scope around the workflow are not the instance's: they are found again there.
        around = self._references.resolve(of).__resumable_function__.python.__closure__ or ()
        outer = {id(cell) for cell in around}
        free = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        cells = {name: self.encode(cell) for name, cell in free if id(cell) not in outer and name != "__class__"}
        data = {"of": of, "number": number, "cells": cells}
        if function.__defaults__:
            data["defaults"] = self._items(function.__defaults__)
        if function.__kwdefaults__:
            data["kwdefaults"] = self._attributes(function.__kwdefaults__)
        own = {name: value for name, value in function.__dict__.items() if name != "@closure"}
        if own:
            data["attributes"] = self._attributes(own)
        return {"$closure": data}


#: Values that are made in one go, so that nothing inside them can name them.
_MADE_WHOLE: Final = (tuple, frozenset)

_SHARED: Final[dict[type, Callable[[Encoder, Any], Any]]] = {
    tuple: Encoder._tuple,
    list: Encoder._list,
    dict: Encoder._dict,
    set: Encoder._set,
    frozenset: Encoder._frozenset,
    bytearray: Encoder._bytearray,
    CellType: Encoder._cell,
}


#: Types that carry content of their own, which a subclass's fields do not show.
_CONTENT: Final = (list, dict, set, frozenset, tuple, str, bytes, bytearray, int, float, complex, Decimal)

_NO_FIELDS: Final = ("__orig_class__", "__dict__", "__weakref__")

#: What errors of Python note about themselves outside their arguments. ``AttributeError.obj``
#: is left out: it is the object the error is about, of any kind, and only feeds suggestions.
_NOTED: Final = ("name", "path")


def builtin_base(cls: type[BaseException]) -> type[BaseException]:
    return next(base for base in cls.__mro__ if base.__module__ == "builtins")
