"""Lookups mean what Django users expect, and the match key never disagrees with them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from resumable import Q, Signal
from resumable.criteria import Criteria, key_text, payload_key_hash


class Colour(Enum):
    RED = "red"


class Buyer(msgspec.Struct):
    name: str
    age: int | None = None


class Order(Signal):
    order_id: str
    total: Decimal
    count: int = 0
    ratio: float = 0.0
    paid: bool = False
    at: datetime | None = None
    day: date | None = None
    took: timedelta | None = None
    ref: UUID | None = None
    raw: bytes = b""
    colour: Colour = Colour.RED
    buyer: Buyer | None = None
    tags: list[str] = []
    extra: dict[str, Any] = {}


def payload(order: Order) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(order))
    return found


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ORDER = payload(
    Order(
        order_id="A1",
        total=Decimal("12.50"),
        count=3,
        ratio=0.5,
        at=NOON,
        day=date(2026, 3, 1),
        took=timedelta(hours=2),
        ref=UUID(int=7),
        raw=b"\x00\xff",
        buyer=Buyer("Ada Byron", 36),
        tags=["new", "gift"],
        extra={"shop": {"id": 5}, "note": None},
    )
)


@pytest.mark.parametrize(
    "lookups",
    [
        {"order_id": "A1"},
        {"total": Decimal("12.5")},
        {"total__gte": 12},
        {"total__range": (12, Decimal("12.50"))},
        {"total__in": [1, Decimal("12.500")]},
        {"count__lt": 4},
        {"ratio": 0.5},
        {"paid": False},
        {"at": datetime(2026, 3, 1, 13, tzinfo=timezone(timedelta(hours=1)))},
        {"at__gt": NOON - timedelta(seconds=1)},
        {"day__lte": date(2026, 3, 1)},
        {"took": timedelta(minutes=120)},
        {"ref": UUID(int=7)},
        {"raw": b"\x00\xff"},
        {"colour": Colour.RED},
        {"buyer__name": "Ada Byron"},
        {"buyer__name__iexact": "ADA byron"},
        {"buyer__name__startswith": "Ada", "buyer__name__endswith": "ron", "buyer__name__contains": "By"},
        {"buyer__age__ne": 37},
        {"tags__contains": "gift"},
        {"extra__shop__id": 5},
        {"extra__note": None},
        {"extra__missing__isnull": True},
        {"order_id__regex": "^A[0-9]$"},
    ],
)
def test_these_lookups_match(lookups: dict[str, Any]) -> None:
    criteria = Criteria.build(Order, **lookups)
    assert criteria.matches(ORDER)
    assert criteria.explain(ORDER) is None
    assert Criteria.decode(msgspec.json.decode(msgspec.json.encode(criteria.encode()))) == criteria


@pytest.mark.parametrize(
    ("lookups", "why"),
    [
        ({"order_id": "A2"}, "order_id"),
        ({"total__gt": Decimal("12.5")}, "total"),
        ({"paid": True}, "paid"),
        ({"at__lt": NOON}, "at"),
        ({"buyer__age": None}, "buyer.age"),
        ({"extra__shop__id": "5"}, "extra.shop.id"),
        ({"extra__shop__id": True}, "extra.shop.id"),
        ({"extra__none__gt": 3}, "missing"),
        ({"tags__contains": "old"}, "tags"),
        ({"order_id": "A1", "count__in": []}, "count"),
    ],
)
def test_these_do_not_and_the_explanation_names_the_lookup(lookups: dict[str, Any], why: str) -> None:
    criteria = Criteria.build(Order, **lookups)
    assert not criteria.matches(ORDER)
    assert why in (criteria.explain(ORDER) or "")


def test_q_combines_with_and_or_not() -> None:
    either = Criteria.build(Order, Q(order_id="B") | (Q(count__gt=2) & ~Q(paid=True)))
    assert either.matches(ORDER)
    assert not Criteria.build(Order, ~Q(order_id="A1")).matches(ORDER)
    assert not either.key_fields
    assert Criteria.decode(either.encode()) == either


@pytest.mark.parametrize(
    "lookups",
    [
        {"ordr_id": "A1"},
        {"buyer__nam": "x"},
        {"order_id__startwith": "A"},
        {"count__gtt": 1},
        {"tags__contain": "gift"},
        {"colour__red": 1},
        {"count__gt": None},
        {"count__range": (1, None)},
        {"order_id": 5},
        {"total": "12"},
        {"paid": 1},
        {"count__range": (1,)},
        {"order_id__isnull": "yes"},
        {"order_id__startswith": 5},
        {"tags__in": "abc"},
        {"extra__x": object()},
    ],
)
def test_a_lookup_that_can_never_match_is_a_type_error(lookups: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Order.match(**lookups)


def test_a_match_without_criteria_must_be_said() -> None:
    with pytest.raises(TypeError, match=r"Order.any\(\)"):
        Order.match()
    assert Order.any().criteria.matches(ORDER)


keys = st.one_of(st.text(), st.integers(), st.decimals(allow_nan=False, allow_infinity=False), st.booleans(), st.none())


@given(wanted=keys, given_value=keys)
def test_equal_values_have_equal_keys_and_unequal_ones_do_not_match(wanted: Any, given_value: Any) -> None:
    """The key is only an index: it may never lose a match."""
    criteria = Criteria.build(None, extra=wanted)
    raw = {"extra": str(given_value) if isinstance(given_value, Decimal) else given_value}
    assume(not isinstance(wanted, Decimal))
    if criteria.matches(raw):
        assert payload_key_hash(criteria.key_fields, raw) == criteria.key_hash()


@given(st.decimals(allow_nan=False, allow_infinity=False), st.text(max_size=5))
def test_a_declared_number_has_one_key_in_all_spellings(total: Decimal, order_id: str) -> None:
    criteria = Criteria.build(Order, total=total, order_id=order_id)
    assert criteria.key_fields == (("order_id", "str"), ("total", "number"))
    shifted = Decimal(f"{total:f}" + (".000" if "." not in f"{total:f}" else "000"))
    for spelling in (str(total), str(shifted)):
        raw = {"total": spelling, "order_id": order_id}
        assert criteria.matches(raw)
        assert payload_key_hash(criteria.key_fields, raw) == criteria.key_hash()


@given(st.datetimes(timezones=st.just(UTC)), st.integers(-12, 12))
def test_a_moment_has_one_key_in_all_zones(moment: datetime, hours: int) -> None:
    assume(1 < moment.year < 9999)
    elsewhere = moment.astimezone(timezone(timedelta(hours=hours)))
    criteria = Criteria.build(Order, at=moment)
    raw = {"at": elsewhere.isoformat()}
    assert criteria.matches(raw)
    assert payload_key_hash(criteria.key_fields, raw) == criteria.key_hash()


def test_instance_keys_compare_by_value() -> None:
    assert key_text(Decimal("1.0")) == key_text(Decimal("1.00")) == key_text(1) == "1"
    assert key_text("A1") == "A1"
    assert key_text(NOON) == key_text(NOON.astimezone(timezone(timedelta(hours=5))))
