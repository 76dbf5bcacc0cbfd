"""Writes values as JSON and reads them back, keeping shared objects shared.

Whatever is not listed is refused, never altered. An object that is reached
twice goes into the snapshot's table of ``objects`` and is named by
``{"$ref": n}``, so that two names for one list are still one list afterwards.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from importlib import import_module
from types import BuiltinFunctionType, CellType, FunctionType, MethodType, ModuleType
from typing import Any, Final

import msgspec

from resumable.compiler.names import mangle
from resumable.criteria import Criteria
from resumable.errors import NotSaveable, SnapshotError
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
        reduced: tuple[Any, ...] = _builtin_base(type(error)).__reduce__(error)  # type: ignore[assignment]
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


def _builtin_base(cls: type[BaseException]) -> type[BaseException]:
    return next(base for base in cls.__mro__ if base.__module__ == "builtins")


class Decoder:
    """Reads the parts of one snapshot; shared objects are made once, when first met."""

    def __init__(self, references: References, owner: object, known: dict[str, type], objects: dict[str, Any]) -> None:
        self._references = references
        self._owner = owner
        self._known = known
        self._objects = objects
        self.made: dict[int, Any] = {}

    def decode(self, data: Any) -> Any:
        if type(data) is list:
            return self._list(data, None)
        if type(data) is not dict:
            return data
        return self._tagged(data, None)

    def _tagged(self, data: dict[str, Any], number: int | None) -> Any:
        if len(data) == 1:
            ((tag, content),) = data.items()
            if tag[:1] == "$":
                plain = scalars.DECODERS.get(tag)
                if plain is not None:
                    return plain(content)
                read = _READERS.get(tag)
                if read is None:
                    raise SnapshotError(f"the snapshot holds {tag}, which this release does not know")
                return read(self, content, number)
        return self._mapping(data, number)

    def _ref(self, content: int, number: int | None) -> Any:
        if content not in self.made:
            try:
                data = self._objects[str(content)]
            except KeyError:
                raise SnapshotError(f"the snapshot has no object {content}") from None
            made = self._list(data, content) if type(data) is list else self._tagged(data, content)
            self.made.setdefault(content, made)
        return self.made[content]

    def _register(self, number: int | None, made: Any) -> None:
        # Before its parts are read: they may name it.
        if number is not None:
            self.made[number] = made

    def _list(self, data: list[Any], number: int | None) -> list[Any]:
        made: list[Any] = []
        self._register(number, made)
        made.extend(self.decode(item) for item in data)
        return made

    def _mapping(self, data: dict[str, Any], number: int | None) -> dict[str, Any]:
        made: dict[str, Any] = {}
        self._register(number, made)
        for key, item in data.items():
            made[key] = self.decode(item)
        return made

    def _dict(self, content: Any, number: int | None) -> Any:
        made: dict[Any, Any] = {}
        self._register(number, made)
        for key, item in content:
            made[self.decode(key)] = self.decode(item)
        return made

    def _self(self, content: Any, number: int | None) -> Any:
        return self._owner

    def _tuple(self, content: Any, number: int | None) -> Any:
        return tuple(self.decode(item) for item in content)

    def _set(self, content: Any, number: int | None) -> Any:
        made: set[Any] = set()
        self._register(number, made)
        made.update(self.decode(item) for item in content)
        return made

    def _frozenset(self, content: Any, number: int | None) -> Any:
        return frozenset(self.decode(item) for item in content)

    def _bytearray(self, content: Any, number: int | None) -> Any:
        return bytearray(scalars.DECODERS["$bytes"](content))

    def _cell(self, content: Any, number: int | None) -> Any:
        made = CellType()
        self._register(number, made)
        if content:
            made.cell_contents = self.decode(content[0])
        return made

    def _criteria(self, content: Any, number: int | None) -> Any:
        return Criteria.decode(content)

    def _unset(self, content: Any, number: int | None) -> Any:
        return msgspec.UNSET

    def _module(self, content: str, number: int | None) -> Any:
        return import_module(content)

    def _class(self, content: str, number: int | None) -> Any:
        return self.resolve_class(content)

    def resolve_class(self, name: str) -> Any:
        return self._known[name[1:]] if name[:1] == "@" else self._references.resolve(name)

    def _checked_class(self, name: str, accepts: Callable[[type], bool]) -> Any:
        cls = self.resolve_class(name)
        if not isinstance(cls, type) or not accepts(cls):
            raise SnapshotError(f"{name} is not of the kind that the snapshot says")
        return cls

    def _function(self, content: str, number: int | None) -> Any:
        return self._references.resolve(content)

    def _method(self, content: Any, number: int | None) -> Any:
        owner, name = content
        return getattr(self.decode(owner), name)

    def _enum(self, content: Any, number: int | None) -> Any:
        name, member, value = content
        cls = self._checked_class(name, lambda cls: issubclass(cls, enum.Enum))
        return cls[member] if member else cls(value)

    def _named(self, content: Any, number: int | None) -> Any:
        name, items = content
        cls = self._checked_class(name, lambda cls: issubclass(cls, tuple))
        return cls._make(self.decode(item) for item in items)

    def _data(self, content: Any, number: int | None) -> Any:
        name, attributes = content
        made = object.__new__(self._checked_class(name, dataclasses.is_dataclass))
        self._register(number, made)
        for key, item in attributes.items():
            object.__setattr__(made, key, self.decode(item))
        return made

    def _struct(self, content: Any, number: int | None) -> Any:
        name, attributes, *own = content
        cls = self._checked_class(name, lambda cls: issubclass(cls, msgspec.Struct))
        if number is None or hasattr(cls, "__post_init__"):
            values = {key: self.decode(item) for key, item in attributes.items()}
            made = cls(**values)
            self._register(number, made)
        else:
            made = cls(**dict.fromkeys(attributes))
            self._register(number, made)
            values = {key: self.decode(item) for key, item in attributes.items()}
        if number is not None or hasattr(cls, "__post_init__"):
            # `__post_init__` has run when the object was first made; what it does now is undone.
            for key, value in values.items():
                msgspec.structs.force_setattr(made, key, value)
        for key, item in own[0].items() if own else ():
            made.__dict__[key] = self.decode(item)
        return made

    def _error(self, content: Any, number: int | None) -> Any:
        cls = self._checked_class(content["type"], lambda cls: issubclass(cls, BaseException))
        arguments = [self.decode(item) for item in content["args"]]
        # Not the author's own __new__ and __init__: they ran when the error was made.
        made = _builtin_base(cls).__new__(cls, *arguments)
        self._register(number, made)
        _builtin_base(cls).__init__(made, *arguments)
        for key, item in content.get("attributes", {}).items():
            object.__setattr__(made, key, self.decode(item))
        if "cause" in content:
            made.__cause__ = self.decode(content["cause"])
        if "context" in content:
            made.__context__ = self.decode(content["context"])
        made.__suppress_context__ = content.get("suppress", False)
        return made

    def _closure(self, content: Any, number: int | None) -> Any:
        # A function may be in a cell of its own: the cells are filled when it is there.
        cells = {name: self._empty_cell(item) for name, item in content["cells"].items()}
        function = self._references.resolve(content["of"]).__resumable_function__
        made = function.closure(content["number"], {name: cell for name, (cell, _) in cells.items()})
        self._register(number, made)
        for cell, held in cells.values():
            if held:
                cell.cell_contents = self.decode(held[0])
        if "defaults" in content:
            made.__defaults__ = tuple(self.decode(item) for item in content["defaults"])
        if "kwdefaults" in content:
            made.__kwdefaults__ = {k: self.decode(v) for k, v in content["kwdefaults"].items()}
        for key, item in content.get("attributes", {}).items():
            made.__dict__[key] = self.decode(item)
        return made

    def _empty_cell(self, data: dict[str, Any]) -> tuple[CellType, list[Any]]:
        """A cell, and what is still to be put into it: nothing if it was made before."""
        number = data.get("$ref")
        if number in self.made:
            return self.made[number], []
        held = data["$cell"] if number is None else self._objects[str(number)]["$cell"]
        cell = CellType()
        self._register(number, cell)
        return cell, held


_READERS: Final[dict[str, Callable[[Decoder, Any, int | None], Any]]] = {
    "$ref": Decoder._ref,
    "$self": Decoder._self,
    "$dict": Decoder._dict,
    "$tuple": Decoder._tuple,
    "$set": Decoder._set,
    "$frozenset": Decoder._frozenset,
    "$bytearray": Decoder._bytearray,
    "$cell": Decoder._cell,
    "$unset": Decoder._unset,
    "$criteria": Decoder._criteria,
    "$module": Decoder._module,
    "$class": Decoder._class,
    "$function": Decoder._function,
    "$method": Decoder._method,
    "$enum": Decoder._enum,
    "$named": Decoder._named,
    "$data": Decoder._data,
    "$struct": Decoder._struct,
    "$error": Decoder._error,
    "$closure": Decoder._closure,
}
