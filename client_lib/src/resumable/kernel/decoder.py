"""Reads JSON back as values; what was shared is shared again."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from importlib import import_module
from types import CellType
from typing import Any, Final

import msgspec

from resumable.criteria import Criteria
from resumable.errors import SnapshotError
from resumable.kernel import scalars
from resumable.kernel.encoder import builtin_base
from resumable.kernel.references import References


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
        made = builtin_base(cls).__new__(cls, *arguments)
        self._register(number, made)
        builtin_base(cls).__init__(made, *arguments)
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
