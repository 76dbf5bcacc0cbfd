"""Iterators of ``for`` loops around an await: they can be saved, and go on where they were.

CPython's own iterators live on the value stack, where no snapshot reaches
them. These do the same and keep their position as plain data. Which iterables
can be saved is a closed list; anything lazy is refused with the fix.
"""

from __future__ import annotations

import gc
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from resumable.errors import NotResumable

_FIX: Final = "write `for … in list(…)`: an iterator cannot be saved at the await inside the loop"


class SavedIterator:
    """``advance()`` says whether there is one more and puts it in ``value``."""

    value: Any = None

    def advance(self) -> bool:
        raise TypeError(f"{type(self).__name__} cannot advance")

    def __iter__(self) -> SavedIterator:
        return self

    def __next__(self) -> Any:
        if self.advance():
            return self.value
        raise StopIteration


@dataclass(eq=False)
class SequenceIterator(SavedIterator):
    """By index over the live object, as CPython iterates a list."""

    items: Any
    index: int = 0

    def advance(self) -> bool:
        if self.items is None or self.index >= len(self.items):
            self.items = None
            return False
        self.value = self.items[self.index]
        self.index += 1
        return True


@dataclass(eq=False)
class ReversedIterator(SavedIterator):
    """From the end; ``index`` is that of the next item."""

    items: Any
    index: int

    def advance(self) -> bool:
        if self.items is None or not 0 <= self.index < len(self.items):
            self.items = None
            return False
        self.value = self.items[self.index]
        self.index -= 1
        return True


@dataclass(eq=False)
class MappingIterator(SavedIterator):
    """Over the keys, values or items a dict had when the loop began."""

    mapping: dict[Any, Any]
    keys: list[Any]
    part: str
    size: int
    index: int = 0

    def advance(self) -> bool:
        if self.size != len(self.mapping):
            raise RuntimeError("dictionary changed size during iteration")
        if self.index >= len(self.keys):
            return False
        key = self.keys[self.index]
        self.index += 1
        if key not in self.mapping:
            raise RuntimeError("dictionary keys changed during iteration")
        if self.part == "keys":
            self.value = key
        else:
            found = self.mapping[key]
            self.value = found if self.part == "values" else (key, found)
        return True


@dataclass(eq=False)
class SetIterator(SavedIterator):
    """Over the elements a set had, in the order they had in the first process."""

    source: Any
    rest: list[Any]
    size: int
    index: int = 0

    def advance(self) -> bool:
        if self.size != len(self.source):
            raise RuntimeError("Set changed size during iteration")
        if self.index >= len(self.rest):
            return False
        self.value = self.rest[self.index]
        self.index += 1
        return True


@dataclass(eq=False)
class EnumerateIterator(SavedIterator):
    inner: SavedIterator
    count: int

    def advance(self) -> bool:
        if not self.inner.advance():
            return False
        self.value = (self.count, self.inner.value)
        self.count += 1
        return True


@dataclass(eq=False)
class ZipIterator(SavedIterator):
    members: list[SavedIterator]
    strict: bool = False

    #: The words of CPython's own errors.
    _plural: ClassVar[dict[bool, str]] = {False: "argument 1", True: "arguments 1-"}

    def advance(self) -> bool:
        values: list[Any] = []
        for number, member in enumerate(self.members):
            if not member.advance():
                if self.strict:
                    self._check(number)
                return False
            values.append(member.value)
        self.value = tuple(values)
        return bool(self.members)

    def _check(self, number: int) -> None:
        before = f"{self._plural[number > 1]}{number if number > 1 else ''}"
        if number:
            raise ValueError(f"zip() argument {number + 1} is shorter than {before}")
        for later, member in enumerate(self.members[1:], 2):
            if member.advance():
                before = f"{self._plural[later > 2]}{later - 1 if later > 2 else ''}"
                raise ValueError(f"zip() argument {later} is longer than {before}")


_VIEWS: Final[dict[type, str]] = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}


def saved_iterator(source: Iterable[Any], where: str) -> SavedIterator:
    """A savable iterator over ``source``.

    :raises NotResumable: a lazy iterable; ``where`` names the file and line.
    """
    if isinstance(source, SavedIterator):
        return source
    if isinstance(source, dict):
        return MappingIterator(source, list(source), "keys", len(source))
    part = _VIEWS.get(type(source))
    if part is not None:
        owner = _viewed(source)
        return MappingIterator(owner, list(owner), part, len(owner))
    if isinstance(source, Set):
        return SetIterator(source, list(source), len(source))
    if isinstance(source, Sequence) or isinstance(source, (list, tuple, str, bytes, bytearray, range)):
        return SequenceIterator(source)
    return _from_builtin(source, where)


def _viewed(view: Any) -> dict[Any, Any]:
    """The dict behind a view. A view itself only gives a read-only proxy of it."""
    (owner,) = (item for item in gc.get_referents(view.mapping) if isinstance(item, dict))
    return owner


def _from_builtin(source: Any, where: str) -> SavedIterator:
    """The state of CPython's own iterators, as they give it for copying."""
    name = type(source).__name__
    if name not in _COPYABLE:
        raise NotResumable(f"{where}: a {name} is lazy; {_FIX}")
    parts = source.__reduce__()
    if name == "enumerate":
        inner, count = parts[1]
        return EnumerateIterator(saved_iterator(inner, where), count)
    if name == "zip":
        members = [saved_iterator(member, where) for member in parts[1]]
        return ZipIterator(members, bool(len(parts) > 2 and parts[2]))
    if not parts[1] or parts[1] == ((),) or parts[1] == ([],):
        return SequenceIterator(())
    items = parts[1][0]
    index = (parts[2] if len(parts) > 2 else None) or 0
    if name in ("list_reverseiterator", "reversed"):
        return ReversedIterator(items, index)
    return SequenceIterator(items, index)


_COPYABLE: Final = frozenset(
    (
        *("enumerate", "zip", "reversed", "list_iterator", "list_reverseiterator", "tuple_iterator"),
        *("str_iterator", "str_ascii_iterator", "bytes_iterator", "bytearray_iterator"),
        *("range_iterator", "longrange_iterator"),
        *("dict_keyiterator", "dict_valueiterator", "dict_itemiterator", "set_iterator"),
        *("dict_reversekeyiterator", "dict_reversevalueiterator", "dict_reverseitemiterator"),
    )
)
