"""The JSON Schema of a signal: what the engine checks a payload with.

Written over :mod:`msgspec.inspect` and not with ``msgspec.json.schema``, because
the two must agree on every value and the latter says less than the decoder does:
it gives a ``Decimal`` as a string only (a JSON number decodes too), and an instant
without a time zone as any string.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec
from msgspec import inspect

from resumable.errors import ResumableError

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"

# A "format" is only given where it allows all that decodes: RFC 3339 knows no negative
# duration and no UUID without hyphens.
_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = "[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?"
_OFFSET = "([zZ]|[+-][0-9]{2}:?[0-9]{2})"
_NUMBER = "[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?"
_UUID = "[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}"
_DURATION = "[+-]?[pP]([0-9]+([.][0-9]+)?[dD])?([tT]([0-9]+([.][0-9]+)?[hHmMsS])+)?"
_BASE64 = "([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"

_BOUNDS = {
    "gt": "exclusiveMinimum",
    "ge": "minimum",
    "lt": "exclusiveMaximum",
    "le": "maximum",
    "multiple_of": "multipleOf",
}


class SchemaError(ResumableError, TypeError):
    """A signal has a field that JSON Schema cannot describe. The message names field and type."""

    code = "schema_error"


def json_schema(signal_class: type[Any]) -> Schema:
    """The JSON Schema (2020-12) of ``signal_class``, a msgspec struct.

    Members it does not know are allowed, so that a service may add fields before
    its readers do. Classes used within stand under ``$defs``.

    :raises SchemaError: a field's type has no JSON form.
    """
    root = inspect.type_info(signal_class)
    if not isinstance(root, inspect.StructType):
        raise SchemaError(f"{signal_class!r} is no msgspec struct")
    writer = _Writer(root)
    schema = {"$schema": DIALECT, **writer.body(root)}
    if writer.definitions:
        schema["$defs"] = writer.definitions
    return schema


class _Writer:
    """One walk over a struct's types; ``definitions`` fills with the classes met."""

    def __init__(self, root: inspect.StructType) -> None:
        self.definitions: dict[str, Schema] = {}
        self._names: dict[Any, str] = {root.cls: ""}
        self._where = root.cls.__name__

    def body(self, info: Any) -> Schema:
        """The schema of a class, written out."""
        if isinstance(info, inspect.EnumType):
            return {"title": info.cls.__name__, "enum": [each.value for each in info.cls]}
        if getattr(info, "array_like", False) or isinstance(info, inspect.NamedTupleType):
            return self._array_body(info)
        return self._object_body(info)

    def _object_body(self, info: Any) -> Schema:
        properties, required = {}, []
        if tag_field := getattr(info, "tag_field", None):
            properties[tag_field] = {"enum": [info.tag]}
            required.append(tag_field)
        for field in info.fields:
            properties[field.encode_name] = self._field(info, field)
            if field.required:
                required.append(field.encode_name)
        schema = {"title": info.cls.__name__, "type": "object", "properties": properties, "required": required}
        if getattr(info, "forbid_unknown_fields", False):
            schema["additionalProperties"] = False
        return schema

    def _array_body(self, info: Any) -> Schema:
        items = [{"enum": [info.tag]}] if getattr(info, "tag_field", None) else []
        least = len(items) + sum(1 for field in info.fields if field.required)
        items += [self._field(info, field) for field in info.fields]
        return {"title": info.cls.__name__, "type": "array", "prefixItems": items, "minItems": least}

    def _field(self, owner: Any, field: inspect.Field) -> Schema:
        before, self._where = self._where, f"{owner.cls.__name__}.{field.name}"
        schema = self.of(field.type)
        self._where = before
        if field.default is not msgspec.NODEFAULT:
            schema = {**schema, "default": msgspec.to_builtins(field.default, str_keys=True)}
        return schema

    def of(self, info: inspect.Type) -> Schema:
        """The schema of a type where it is used: classes become references."""
        if isinstance(info, inspect.Metadata):
            return {**self.of(info.type), **(info.extra_json_schema or {})}
        if isinstance(info, _CLASSES):
            return self._reference(info)
        plain = _PLAIN.get(type(info))
        if plain is not None:
            return plain(info)
        return self._compound(info)

    def _compound(self, info: inspect.Type) -> Schema:
        if isinstance(info, inspect.UnionType):
            return {"anyOf": [self.of(each) for each in info.types]}
        if isinstance(info, inspect.CollectionType):
            return {"type": "array", "items": self.of(info.item_type), **_lengths(info, "Items")}
        if isinstance(info, inspect.TupleType):
            count = len(info.item_types)
            items = [self.of(each) for each in info.item_types]
            return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}
        if isinstance(info, inspect.DictType):
            return self._mapping(info)
        raise SchemaError(f"{self._where}: {info!r} cannot be described in a JSON Schema")

    def _mapping(self, info: inspect.DictType) -> Schema:
        schema = {"type": "object", "additionalProperties": self.of(info.value_type), **_lengths(info, "Properties")}
        if _is_text(info.key_type):
            schema["propertyNames"] = self.of(info.key_type)
        return schema

    def _reference(self, info: Any) -> Schema:
        name = self._names.get(info.cls)
        if name is None:
            name = self._names[info.cls] = self._free_name(info.cls.__name__)
            self.definitions[name] = {}  # claimed before its fields are walked: they may refer to it
            self.definitions[name] = self.body(info)
        return {"$ref": f"#/$defs/{name}" if name else "#"}

    def _free_name(self, wanted: str) -> str:
        taken, name, number = set(self._names.values()), wanted, 2
        while name in taken:
            name, number = f"{wanted}_{number}", number + 1
        return name


_CLASSES = (
    inspect.StructType,
    inspect.DataclassType,
    inspect.TypedDictType,
    inspect.NamedTupleType,
    inspect.EnumType,
)


def _is_text(info: inspect.Type) -> bool:
    """Whether a mapping's key may be judged by its own schema: on the wire every key is a string."""
    if isinstance(info, inspect.EnumType):
        return all(isinstance(each.value, str) for each in info.cls)
    if isinstance(info, inspect.LiteralType):
        return all(isinstance(each, str) for each in info.values)
    return not isinstance(info, inspect.AnyType | inspect.IntType | inspect.FloatType | inspect.UnionType)


def _lengths(info: Any, noun: str) -> Schema:
    found = {f"min{noun}": info.min_length, f"max{noun}": info.max_length}
    return {key: value for key, value in found.items() if value is not None}


def _bounds(info: Any) -> Schema:
    return {name: getattr(info, attr) for attr, name in _BOUNDS.items() if getattr(info, attr) is not None}


def _string(info: inspect.StrType) -> Schema:
    pattern = {} if info.pattern is None else {"pattern": info.pattern}
    return {"type": "string", **_lengths(info, "Length"), **pattern}


def _text(pattern: str, **more: Any) -> Schema:
    return {"type": "string", **more, "pattern": f"^{pattern}$"}


def _datetime(info: inspect.DateTimeType) -> Schema:
    if info.tz is True:
        return _text(f"{_DATE}[tT ]{_TIME}{_OFFSET}", format="date-time")
    if info.tz is False:
        return _text(f"{_DATE}[tT ]{_TIME}")
    # No "format": it would refuse an instant without an offset, which decodes.
    return _text(f"{_DATE}[tT ]{_TIME}{_OFFSET}?")


def _time(info: inspect.TimeType) -> Schema:
    offset = {True: _OFFSET, False: "", None: f"{_OFFSET}?"}[info.tz]
    return _text(_TIME + offset)


def _decimal(_: inspect.DecimalType) -> Schema:
    return {"anyOf": [{"type": "number"}, _text(_NUMBER, format="decimal")]}


def _literal(info: inspect.LiteralType) -> Schema:
    return {"enum": list(cast("Iterable[Any]", info.values))}


_PLAIN: dict[type[Any], Callable[[Any], Schema]] = {
    inspect.AnyType: lambda _: {},
    inspect.RawType: lambda _: {},
    inspect.NoneType: lambda _: {"type": "null"},
    inspect.BoolType: lambda _: {"type": "boolean"},
    inspect.IntType: lambda info: {"type": "integer", **_bounds(info)},
    inspect.FloatType: lambda info: {"type": "number", **_bounds(info)},
    inspect.StrType: _string,
    inspect.BytesType: lambda _: _text(_BASE64, contentEncoding="base64"),
    inspect.ByteArrayType: lambda _: _text(_BASE64, contentEncoding="base64"),
    inspect.DateTimeType: _datetime,
    inspect.DateType: lambda _: _text(_DATE, format="date"),
    inspect.TimeType: _time,
    inspect.TimeDeltaType: lambda _: _text(_DURATION),
    inspect.UUIDType: lambda _: _text(_UUID),
    inspect.DecimalType: _decimal,
    inspect.LiteralType: _literal,
}
