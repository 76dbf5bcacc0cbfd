"""What a wait demands of a signal: lookups, their combination, and the match key.

Pure and small, because it runs for every candidate of every signal. It works
on the payload as plain JSON, so matching loads no code of an author.
"""

from __future__ import annotations

import enum
import hashlib
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import msgspec

from resumable import kinds

LOOKUPS: Final = frozenset("exact ne gt gte lt lte in contains startswith endswith iexact isnull range regex".split())

#: (dotted path, kind) of each field of a match key, sorted.
KeyFields = tuple[tuple[str, str], ...]

_MISSING: Final = object()


class Q:
    """A combination of lookups: ``Q(a=1) & (Q(b__gt=2) | ~Q(c=3))``."""

    __slots__ = ("children", "connector", "negated")

    def __init__(self, *children: Q, **lookups: object) -> None:
        for child in children:
            if not isinstance(child, Q):
                raise TypeError(f"Q() takes other Q objects and lookups by name, not {child!r}")
        named: list[Q | tuple[str, object]] = [*children, *lookups.items()]
        self.children: tuple[Q | tuple[str, object], ...] = tuple(named)
        self.connector = "and"
        self.negated = False

    def __and__(self, other: Q) -> Q:
        return self._join(other, "and")

    def __or__(self, other: Q) -> Q:
        return self._join(other, "or")

    def __invert__(self) -> Q:
        inverted = Q(self)
        inverted.negated = True
        return inverted

    def _join(self, other: Q, connector: str) -> Q:
        if not isinstance(other, Q):
            raise TypeError(f"cannot combine a Q with {other!r}")
        joined = Q(self, other)
        joined.connector = connector
        return joined

    def __repr__(self) -> str:
        parts = [repr(child) if isinstance(child, Q) else f"{child[0]}={child[1]!r}" for child in self.children]
        joined = f" {self.connector} ".join(parts)
        return f"{'~' if self.negated else ''}Q({joined})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookup:
    """One comparison of one field with one frozen value."""

    path: str
    op: str
    kind: str
    value: Any

    def __call__(self, payload: Mapping[str, Any]) -> bool:
        raw = fetch(payload, self.path)
        return _OPERATORS[self.op](kinds.read(self.kind, raw), self.value)

    def describe(self) -> str:
        name = self.path if self.op == "exact" else f"{self.path} {self.op}"
        return f"{name} = {self.value!r}" if self.op == "exact" else f"{name} {self.value!r}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Lookups joined by ``and`` or ``or``, perhaps negated."""

    connector: str
    negated: bool
    children: tuple[Lookup | Group, ...]

    def __call__(self, payload: Mapping[str, Any]) -> bool:
        results = (child(payload) for child in self.children)
        found = all(results) if self.connector == "and" else any(results)
        return found is not self.negated

    def describe(self) -> str:
        inner = f" {self.connector} ".join(child.describe() for child in self.children)
        return f"{'not ' if self.negated else ''}({inner})"


@dataclass(frozen=True, slots=True)
class Criteria:
    """Everything a wait demands of a payload. Empty criteria accept any."""

    root: Group
    key_fields: KeyFields = field(init=False, compare=False)
    _key_values: tuple[str, ...] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        equal = _key_lookups(self.root)
        fields = tuple(sorted((path, lookup.kind) for path, lookup in equal.items()))
        object.__setattr__(self, "key_fields", fields)
        values = tuple(kinds.canonical(equal[path].value) for path, _ in fields)
        object.__setattr__(self, "_key_values", values)

    @classmethod
    def build(cls, owner: Any, *q: Q, **lookups: object) -> Criteria:
        """Freeze lookups against the declared fields of ``owner``.

        :raises TypeError: an unknown field or lookup, or a value that can never match.
        """
        return cls(_freeze(Q(*q, **lookups), owner))

    def matches(self, payload: Mapping[str, Any]) -> bool:
        return self.root(payload)

    def explain(self, payload: Mapping[str, Any]) -> str | None:
        """The first demand that the payload does not meet, in words; None if it meets all."""
        if self.matches(payload):
            return None
        if self.root.connector == "and" and not self.root.negated:
            failed = next(child for child in self.root.children if not child(payload))
        else:
            failed = self.root
        if isinstance(failed, Lookup):
            raw = fetch(payload, failed.path)
            given = "is missing" if raw is _MISSING else f"is {raw!r}"
            return f"{failed.describe()}: {failed.path} {given}"
        return failed.describe()

    def key_hash(self) -> int:
        """Signed 64-bit hash of the match key; 0 when the criteria have none."""
        return _hash(self._key_values) if self.key_fields else 0

    def describe(self) -> str:
        return " and ".join(child.describe() for child in self.root.children) or "any"

    def encode(self) -> Any:
        """A JSON-able form that :meth:`decode` reads back."""
        return _encode(self.root)

    @classmethod
    def decode(cls, data: Any) -> Criteria:
        root = _decode(data)
        assert isinstance(root, Group)
        return cls(root)


def payload_key_hash(fields: KeyFields, payload: Mapping[str, Any]) -> int:
    """The hash that a wait with these key fields and this payload's values has."""
    if not fields:
        return 0
    values = []
    for path, kind in fields:
        raw = fetch(payload, path)
        value = None if raw is _MISSING else raw
        values.append(kinds.canonical(value if kind == "str" else kinds.read(kind, value)))
    return _hash(values)


def key_text(value: object) -> str:
    """An instance key as text, the same for all spellings of one value."""
    if isinstance(value, enum.Enum):
        value = value.value
    return kinds.canonical(value)[1:] if value is not None else "null"


def fetch(payload: Any, path: str) -> Any:
    """The value at a dotted path of plain JSON, or a marker that equals nothing."""
    if "." not in path:
        return payload.get(path, _MISSING)
    for part in path.split("."):
        if not isinstance(payload, Mapping):
            return _MISSING
        payload = payload.get(part, _MISSING)
    return payload


def _hash(values: Sequence[str]) -> int:
    # Lengths keep ("ab", "c") and ("a", "bc") apart.
    text = "".join(f"{len(value)}:{value}" for value in values)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def _key_lookups(root: Group) -> dict[str, Lookup]:
    if root.negated or root.connector != "and":
        return {}
    found: dict[str, Lookup] = {}
    for child in root.children:
        if isinstance(child, Group):
            for path, lookup in _key_lookups(child).items():
                found.setdefault(path, lookup)
        elif child.op == "exact" and _indexable(child):
            found.setdefault(child.path, child)
    return found


def _indexable(lookup: Lookup) -> bool:
    # A field without a declared type may hold a number as text: only values
    # that JSON itself can hold have one spelling there.
    native = lookup.value is None or isinstance(lookup.value, (str, int, float, bool))
    return lookup.kind != kinds.ANY or native


def _freeze(q: Q, owner: Any) -> Group:
    children = tuple(_freeze(child, owner) if isinstance(child, Q) else _lookup(owner, *child) for child in q.children)
    return Group(connector=q.connector, negated=q.negated, children=children)


class _Target(NamedTuple):
    """What the name of a lookup stands for."""

    path: str
    op: str
    kind: str


#: Reading annotations is slow, and a workflow makes the same wait again and again.
_targets: Final[WeakKeyDictionary[type, dict[str, _Target]]] = WeakKeyDictionary()


def _lookup(owner: Any, name: str, value: object) -> Lookup:
    known = _targets.setdefault(owner, {}) if isinstance(owner, type) else {}
    target = known.get(name)
    if target is None:
        target = known[name] = _target(owner, name)
    frozen = _frozen_value(target.op, value)
    _check(owner, target.path, target.op, target.kind, frozen)
    if target.op not in ("isnull", "regex"):
        frozen = _normal(target.kind, frozen)
    return Lookup(path=target.path, op=target.op, kind=target.kind, value=frozen)


def _target(owner: Any, name: str) -> _Target:
    parts = name.split("__")
    op = parts.pop() if len(parts) > 1 and parts[-1] in LOOKUPS else "exact"
    declared = owner
    for part in parts:
        try:
            declared = kinds.field_type(declared, part)
        except AttributeError:
            raise TypeError(_unknown(owner, name, part, declared)) from None
    return _Target(".".join(parts), op, kinds.kind_of_type(declared))


def _unknown(owner: Any, name: str, part: str, declared: Any) -> str:
    title = getattr(owner, "__name__", owner)
    inner = getattr(declared, "__name__", declared)
    return f"{title}.match({name}=…): {inner} has no field {part!r}, and {part!r} is no lookup"


def _frozen_value(op: str, value: object) -> Any:
    if isinstance(value, enum.Enum):
        return value.value
    if op in ("in", "range"):
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise TypeError(f"the lookup {op!r} takes several values, not {value!r}")
        return tuple(_frozen_value("exact", item) for item in value)
    return value


def _check(owner: Any, path: str, op: str, kind: str, value: Any) -> None:
    where = f"{getattr(owner, '__name__', owner)}.match({path.replace('.', '__')}__{op}=…)"
    if op == "isnull":
        if not isinstance(value, bool):
            raise TypeError(f"{where} takes True or False, not {value!r}")
        return
    if op in _ORDERED and None in (value if op == "range" else (value,)):
        raise TypeError(f"{where}: nothing is greater or less than None; isnull= asks for null")
    if op == "range" and len(value) != 2:
        raise TypeError(f"{where} takes a lower and an upper bound, not {value!r}")
    if op in ("startswith", "endswith", "iexact", "regex") and not isinstance(value, str):
        raise TypeError(f"{where} takes a text, not {value!r}")
    if op == "regex":
        re.compile(value)
    for item in value if op in ("in", "range") else (value,):
        if not kinds.fits(kind, item):
            given = f"the {type(item).__name__} {item!r}"
            raise TypeError(f"{where}: the field is of kind {kind}, {given} can never match it")
        if not isinstance(item, _SCALARS):
            raise TypeError(f"{where}: a {type(item).__name__} cannot be looked up")


def _normal(kind: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_normal(kind, item) for item in value)
    return kinds.read(kind, value) if kind == kinds.NUMBER else value


_ORDERED: Final = frozenset(("gt", "gte", "lt", "lte", "range"))
_SCALARS: Final = (
    *(str, int, float, bool, type(None), Decimal),
    *(datetime, date, time, timedelta, UUID, bytes),
)


def _equal(a: Any, b: Any) -> bool:
    if a is _MISSING or a is None:
        return b is None
    a = _read_like(b, a)
    return isinstance(a, bool) is isinstance(b, bool) and bool(a == b)


def _read_like(value: Any, raw: Any) -> Any:
    """A raw value understood as the lookup's; what JSON itself can hold is taken as it stands."""
    native = value is None or isinstance(value, (str, int, float))
    return raw if native else kinds.read(kinds.kind_of_value(value), raw)


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def test(a: Any, b: Any) -> bool:
        if a is _MISSING or a is None or isinstance(a, bool):
            return False
        try:
            return compare(_read_like(b, a), b)
        except (TypeError, ArithmeticError):
            return False

    return test


def _text(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda a, b: isinstance(a, str) and compare(a, b)


def _contains(a: Any, b: Any) -> bool:
    if isinstance(a, str):
        return isinstance(b, str) and b in a
    if isinstance(a, Mapping):
        return b in a
    return isinstance(a, (list, tuple)) and any(_equal(item, b) for item in a)


_gte = _ordered(operator.ge)
_lte = _ordered(operator.le)

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "exact": _equal,
    "ne": lambda a, b: not _equal(a, b),
    "gt": _ordered(operator.gt),
    "gte": _gte,
    "lt": _ordered(operator.lt),
    "lte": _lte,
    "in": lambda a, b: any(_equal(a, item) for item in b),
    "contains": _contains,
    "startswith": _text(str.startswith),
    "endswith": _text(str.endswith),
    "iexact": _text(lambda a, b: a.casefold() == b.casefold()),
    "isnull": lambda a, b: (a is None or a is _MISSING) is b,
    "range": lambda a, b: _gte(a, b[0]) and _lte(a, b[1]),
    "regex": _text(lambda a, b: re.search(b, a) is not None),
}


def _encode(node: Lookup | Group) -> Any:
    if isinstance(node, Group):
        joined = [_encode(child) for child in node.children]
        return {"not" if node.negated else "is": node.connector, "of": joined}
    return [node.path, node.op, node.kind, _encode_value(node.value)]


def _encode_value(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_encode_value(item) for item in value]
    if value is None or isinstance(value, (str, bool, int)):
        return value
    kind = "float" if isinstance(value, float) else kinds.kind_of_value(value)
    if kind in ("float", kinds.NUMBER):
        return {kind: str(value)}
    return {kind: msgspec.to_builtins(value)}


def _decode(data: Any) -> Lookup | Group:
    if isinstance(data, list):
        path, op, kind, value = data
        return Lookup(path=path, op=op, kind=kind, value=_decode_value(value))
    connector = data.get("not") or data["is"]
    children = tuple(_decode(child) for child in data["of"])
    return Group(connector=connector, negated="not" in data, children=children)


def _decode_value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_decode_value(item) for item in value)
    if not isinstance(value, dict):
        return value
    ((kind, text),) = value.items()
    return float(text) if kind == "float" else kinds.read(kind, text)
