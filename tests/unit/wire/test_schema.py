"""The schema of a signal accepts what the decoder accepts, and refuses what it refuses."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from resumable.wire.schema import SchemaError, json_schema


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Size(enum.IntEnum):
    S = 1
    L = 2


class Line(msgspec.Struct):
    sku: str
    count: int = 1


@dataclass
class Address:
    street: str
    flat: int | None = None


class Options(TypedDict, total=False):
    gift: bool


class Point(NamedTuple):
    x: int
    y: int = 0


class Tree(msgspec.Struct):
    name: str
    children: list[Tree] = []


class Card(msgspec.Struct, tag="card"):
    number: str


class Cash(msgspec.Struct, tag="cash"):
    note: int


class Pair(msgspec.Struct, array_like=True):
    left: int
    right: str = ""


class Everything(msgspec.Struct, kw_only=True, rename="camel"):
    text: str
    number: int
    real: float
    flag: bool
    nothing: None
    whatever: Any
    raw: msgspec.Raw
    amount: Decimal
    at: datetime
    aware: Annotated[datetime, Meta(tz=True)]
    naive: Annotated[datetime, Meta(tz=False)]
    day: date
    clock: time
    span: timedelta
    ident: UUID
    blob: bytes
    colour: Colour
    size: Size
    kind: Literal["a", 1, None]
    maybe: int | None
    lines: list[Line]
    tags: set[str]
    frozen: frozenset[int]
    many: tuple[int, ...]
    two: tuple[int, str]
    totals: dict[str, Decimal]
    by_number: dict[int, str]
    by_colour: dict[Colour, int]
    address: Address
    options: Options
    point: Point
    paid_by: Card | Cash
    pair: Pair
    tree: Tree
    bounded: Annotated[int, Meta(ge=1, lt=10, multiple_of=2)]
    short: Annotated[str, Meta(min_length=1, max_length=3, pattern="^[a-z]+$")]
    few: Annotated[list[int], Meta(max_length=2)]


def a_message(**changes: Any) -> dict[str, Any]:
    message = {
        "text": "x", "number": 1, "real": 1.5, "flag": True, "nothing": None, "whatever": [1], "raw": {"a": 1},
        "amount": "1.50", "at": "2026-01-01T00:00:00", "aware": "2026-01-01T00:00:00Z", "naive": "2026-01-01T00:00:00",
        "day": "2026-01-01", "clock": "12:00:00", "span": "P1DT2H", "ident": "12345678-1234-5678-1234-567812345678",
        "blob": "YQ==", "colour": "red", "size": 1, "kind": "a", "maybe": None, "lines": [{"sku": "s"}], "tags": ["t"],
        "frozen": [1], "many": [1, 2], "two": [1, "a"], "totals": {"a": "1"}, "byNumber": {"1": "one"},
        "byColour": {"red": 1}, "address": {"street": "s"}, "options": {}, "point": [1], "paidBy": {"type": "cash", "note": 5},
        "pair": [1], "tree": {"name": "n", "children": [{"name": "m"}]}, "bounded": 2, "short": "ab", "few": [1],
    }  # fmt: skip
    return {**message, **changes}


def accepted_by_schema(signal_class: type, message: Any) -> bool:
    return jsonschema_rs.validator_for(json_schema(signal_class), validate_formats=True).is_valid(message)


def accepted_by_decoder(signal_class: type, message: Any) -> bool:
    try:
        msgspec.json.decode(json.dumps(message), type=signal_class)
    except msgspec.ValidationError:
        return False
    return True


def test_a_complete_message_is_accepted_by_both() -> None:
    assert accepted_by_decoder(Everything, a_message())
    assert accepted_by_schema(Everything, a_message())


GOOD = [
    ("amount", 1), ("amount", 1.5), ("amount", "-1e5"), ("amount", ".5"), ("real", 1), ("at", "2026-01-01T00:00:00Z"),
    ("at", "2026-01-01T00:00:00.123+01:00"), ("aware", "2026-01-01T00:00:00.5+01:00"), ("clock", "12:00:00Z"),
    ("span", "-PT1.5S"), ("span", "P1D"), ("ident", "12345678123456781234567812345678"), ("blob", ""), ("size", 2),
    ("kind", 1), ("kind", None), ("maybe", 5), ("lines", []), ("lines", [{"sku": "s", "count": 2, "more": True}]),
    ("options", {"gift": True}), ("point", [1, 2]), ("paidBy", {"type": "card", "number": "4"}), ("pair", [1, "r"]),
    ("tree", {"name": "n"}), ("byNumber", {}), ("address", {"street": "s", "flat": None}), ("bounded", 8), ("short", "abc"),
    ("few", []), ("unknownMember", 1), ("whatever", None), ("raw", 3),
]  # fmt: skip

BAD = [
    ("text", 1), ("number", "1"), ("number", 1.5), ("number", True), ("real", "1"), ("flag", 1), ("nothing", 0),
    ("amount", "ten"), ("amount", True), ("amount", None), ("at", 1), ("at", "2026-01-01"), ("at", "yesterday"),
    ("aware", "2026-01-01T00:00:00"), ("naive", "2026-01-01T00:00:00Z"), ("day", "2026-1-1"), ("clock", "noon"),
    ("span", 5), ("span", "1 day"), ("ident", "no"), ("blob", "a"), ("colour", "green"), ("size", 3), ("size", "1"),
    ("kind", "b"), ("maybe", "x"), ("lines", [{"count": 1}]), ("lines", {}), ("tags", [1]), ("two", [1]),
    ("two", [1, "a", 2]), ("totals", {"a": []}), ("byColour", {"green": 1}), ("address", {}), ("address", {"street": 1}),
    ("options", {"gift": "yes"}), ("point", []), ("paidBy", {"type": "cheque"}), ("paidBy", {"type": "card"}), ("pair", []),
    ("pair", ["1"]), ("tree", {"name": "n", "children": [{}]}), ("bounded", 0), ("bounded", 3), ("bounded", 10),
    ("short", ""), ("short", "abcd"), ("short", "A"), ("few", [1, 2, 3]), ("text", None),
]  # fmt: skip


@pytest.mark.parametrize(("member", "value"), GOOD)
def test_schema_and_decoder_accept(member: str, value: Any) -> None:
    message = a_message(**{member: value})
    assert accepted_by_decoder(Everything, message)
    assert accepted_by_schema(Everything, message)


@pytest.mark.parametrize(("member", "value"), BAD)
def test_schema_and_decoder_refuse(member: str, value: Any) -> None:
    message = a_message(**{member: value})
    assert not accepted_by_decoder(Everything, message)
    assert not accepted_by_schema(Everything, message)


@pytest.mark.parametrize("member", sorted(a_message()))
def test_every_member_without_a_default_is_required(member: str) -> None:
    message = a_message()
    del message[member]
    assert not accepted_by_schema(Everything, message)


class Order(msgspec.Struct):
    number: int
    total: Decimal
    at: datetime
    note: str | None = None
    tags: Sequence[str] = ()


orders = st.builds(
    Order,
    number=st.integers(),
    total=st.decimals(allow_nan=False, allow_infinity=False),
    at=st.datetimes(timezones=st.none() | st.timezones()),
    note=st.none() | st.text(),
    tags=st.lists(st.text()),
)


@given(order=orders)
def test_whatever_a_service_pushes_fits_its_own_schema(order: Order) -> None:
    payload = json.loads(msgspec.json.encode(order))
    assert jsonschema_rs.validator_for(json_schema(Order), validate_formats=True).is_valid(payload)


def test_schemas_are_valid_json_schema_and_plain_json() -> None:
    schema = json_schema(Everything)
    jsonschema_rs.meta.validate(schema)
    assert json.loads(json.dumps(schema)) == schema
    assert schema["title"] == "Everything"


def test_a_class_that_contains_itself_refers_to_itself() -> None:
    assert json_schema(Tree)["properties"]["children"]["items"] == {"$ref": "#"}


def test_two_classes_of_one_name_stay_apart() -> None:
    mine = msgspec.defstruct("Line", [("other", int)])
    both = msgspec.defstruct("Both", [("a", Line), ("b", mine)])
    assert set(json_schema(both)["$defs"]) == {"Line", "Line_2"}
    assert accepted_by_schema(both, {"a": {"sku": "s"}, "b": {"other": 1}})
    assert not accepted_by_schema(both, {"a": {"other": 1}, "b": {"sku": "s"}})


def test_who_forbids_unknown_members_is_obeyed() -> None:
    strict = msgspec.defstruct("Strict", [("a", int)], forbid_unknown_fields=True)
    assert not accepted_by_schema(strict, {"a": 1, "b": 2})


def test_a_field_without_json_form_is_named() -> None:
    odd = msgspec.defstruct("Odd", [("what", complex)])
    with pytest.raises(SchemaError, match=r"Odd\.what"):
        json_schema(odd)


def test_only_structs_have_a_schema() -> None:
    with pytest.raises(SchemaError):
        json_schema(int)
