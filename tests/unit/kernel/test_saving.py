"""What a snapshot keeps, and what it refuses."""

from __future__ import annotations

import io
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable import Signal, Workflow, sleep
from resumable.errors import SnapshotError
from resumable.kernel import Fire, Program, Start, StepError, advance, view
from resumable.kernel.snapshot import read, write

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Colour(Enum):
    RED = "red"


class Access(Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: int


@dataclass
class Box:
    items: list[Any] = field(default_factory=list)


class Label(msgspec.Struct):
    text: str
    parent: Any = None


class Oops(Exception):
    def __init__(self, code: int, *, hint: str) -> None:
        super().__init__(code)
        self.hint = hint


class Holder(Workflow):
    """Holds one value over an await and gives it back."""

    async def run(self, value: Any) -> Any:
        kept = value
        await sleep(days=1)
        return kept


def survived(value: Any) -> Any:
    """The value after a save and a restore, within a running workflow."""
    program = Program(Holder)
    turn = advance(program, None, [Start(args=(value,))], now=NOW)
    return view(program, turn.snapshot).locals["kept"]


def test_a_result_is_read_back_as_it_was_returned() -> None:
    program, shared = Program(Holder), [Decimal("1.0")]
    turn = advance(program, None, [Start(args=({"a": shared, "b": (shared,)},))], now=NOW)
    done = advance(program, turn.snapshot, [Fire(wait=1)], now=NOW)
    result = program.decode(done.outcome.result)  # type: ignore[union-attr]
    assert result["a"] is result["b"][0]
    assert str(result["a"][0]) == "1.0"


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(),
    st.binary(),
    st.decimals(),
    st.datetimes(timezones=st.sampled_from([None, UTC, ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=-3))])),
    st.dates(),
    st.times(),
    st.timedeltas(),
    st.uuids(),
    st.sampled_from([Colour.RED, Access.READ | Access.WRITE, Point(1, 2), range(0, 9, 2), complex(1, -2)]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.tuples(inner, inner),
        st.dictionaries(st.one_of(st.text(), st.integers(), st.tuples(st.text())), inner, max_size=4),
        st.builds(Box, st.lists(inner, max_size=2)),
    ),
    max_leaves=12,
)


@given(values)
def test_every_listed_value_is_saved_faithfully(value: Any) -> None:
    found = survived(value)
    assert type(found) is type(value)
    # repr and not ==: it tells 1 from True and one zone from another, and NaN equals itself.
    assert repr(found) == repr(value)


@given(st.sets(st.one_of(st.integers(), st.text())), st.frozensets(st.dates()))
def test_sets_are_saved_faithfully(one: set[Any], other: frozenset[date]) -> None:
    assert survived([one, other]) == [one, other]


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        datetime(2026, 10, 25, 2, 30, fold=1),  # noqa: DTZ001  # a naive moment is a value too
        time(2, 30, tzinfo=timezone(timedelta(hours=1), "local")),
        datetime(2026, 1, 1, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_a_moment_keeps_its_zone_and_its_fold(moment: Any) -> None:
    found = survived(moment)
    assert (found, found.tzinfo, found.fold, str(found)) == (moment, moment.tzinfo, moment.fold, str(moment))


def test_an_exception_keeps_its_arguments_attributes_and_causes() -> None:
    error = Oops(7, hint="look")
    error.__cause__ = KeyError("gone")
    error.add_note("noted")
    found = survived(error)
    assert (type(found), found.args, found.hint) == (Oops, (7,), "look")
    assert (repr(found.__cause__), found.__notes__) == ("KeyError('gone')", ["noted"])


def test_an_os_error_keeps_its_file_name() -> None:
    found = survived(FileNotFoundError(2, "No such file", "orders.csv"))
    assert (found.errno, found.filename) == (2, "orders.csv")


def test_a_match_kept_in_a_variable_is_saved_with_all_it_demands() -> None:
    match = Opaque.match(n__gte=3).within(days=2).named("three").since("start")
    found = survived([match])[0]
    assert found == match
    assert found.criteria.matches({"n": 3})
    assert not found.criteria.matches({"n": 2})


def test_two_names_for_one_object_are_still_one_object() -> None:
    shared: list[int] = [1]
    box, label = Box([shared]), Label("x")
    first, second, third, fourth = survived([shared, box, label, [shared, label, box]])
    assert first is second.items[0] is fourth[0]
    assert third is fourth[1]
    assert second is fourth[2]


def test_an_object_that_holds_itself_is_restored_so() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    found = survived(loop)
    assert found[1] is found
    label = Label("self")
    label.parent = {"of": label}
    again = survived(label)
    assert again.parent["of"] is again


def test_classes_functions_and_bound_methods_are_kept_by_name() -> None:
    items: list[int] = []
    found_class, found_function, append, same = survived([Box, plain_function, items.append, items])
    append(5)
    assert (found_class, found_function, same) == (Box, plain_function, [5])


def plain_function() -> str:
    return "plain"


class Text(str):
    __slots__ = ()


@dataclass
class Bag(list):  # type: ignore[type-arg]
    label: str = ""

    def __init__(self, items: list[int]) -> None:
        super().__init__(items)


module_lambda = lambda: 1  # noqa: E731  # a function that its name does not lead to


class Plain:
    def price(self) -> int:
        return 1


class Struggling(Plain):
    """``price`` is the base's method, which the object's own name does not lead to."""

    def __getattribute__(self, name: str) -> Any:
        return super().price if name == "price" else super().__getattribute__(name)


@pytest.mark.parametrize(
    "value",
    [
        io.StringIO(),
        OrderedDict(a=1),
        Text("sub"),
        iter([1]),
        (n for n in [1]),
        object(),
        Bag([1]),
        module_lambda,
        Struggling().price,
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_not_listed_is_refused_and_never_altered(value: Any) -> None:
    with pytest.raises(StepError) as caught:
        survived(value)
    message = str(caught.value)
    assert "cannot be saved" in message
    assert "'kept'" in message or "'value'" in message


class Connected(Workflow):
    async def run(self) -> None:
        await self.open()

    async def open(self) -> None:
        connection = io.StringIO()
        try:
            await sleep(days=1)
        finally:
            connection.close()


def test_the_error_names_variable_type_function_and_line() -> None:
    with pytest.raises(StepError) as caught:
        advance(Program(Connected), None, [Start()], now=NOW)
    message = str(caught.value)
    line = Connected.open.__wrapped__.__code__.co_firstlineno + 3  # type: ignore[attr-defined]
    for part in ("'connection'", "_io.StringIO", "Connected.open", f"line {line}", __file__):
        assert part in message


class Returning(Workflow):
    async def run(self) -> object:
        return object()


def test_a_result_that_cannot_be_saved_is_named() -> None:
    with pytest.raises(StepError, match=r"what run\(\) of Returning returned"):
        advance(Program(Returning), None, [Start()], now=NOW)


class Stateful(Workflow):
    held: Any = None

    async def run(self) -> None:
        self.held = object()
        await sleep(days=1)


def test_a_state_field_that_cannot_be_saved_is_named() -> None:
    with pytest.raises(StepError, match="state field 'held'"):
        advance(Program(Stateful), None, [Start()], now=NOW)


def test_advance_is_pure() -> None:
    program = Program(Holder)
    first = advance(program, None, [Start(args=({"a": [1]},))], now=NOW)
    event = [Fire(wait=first.opened[0].number)]
    assert advance(program, first.snapshot, event, now=NOW) == advance(program, first.snapshot, event, now=NOW)


class Planet(Box, Enum):
    """An enumeration of dataclasses."""

    EARTH = [1]


class Counted(msgspec.Struct):
    n: int

    def __post_init__(self) -> None:
        self.n += 1


T = TypeVar("T")


@dataclass
class Boxed(Generic[T]):
    item: T


class Slotted:
    __slots__ = ("hidden",)


@dataclass
class Filled(Slotted):
    shown: int


class Extended(Point):
    pass


def test_what_stands_beside_the_fields_is_kept_or_refused() -> None:
    filled = Filled(1)
    filled.hidden = 2
    assert survived(filled).hidden == 2
    extended = Extended(1, 2)
    extended.more = 3  # type: ignore[attr-defined]
    with pytest.raises(StepError, match="cannot be saved"):
        survived(extended)


def test_what_a_class_does_when_made_is_not_done_again() -> None:
    assert survived(Counted(5)).n == 6
    assert survived([counted := Counted(5), counted])[0].n == 6
    assert survived(Planet.EARTH) is Planet.EARTH
    assert survived(Boxed[int](5)) == Boxed(5)
    error = survived(ImportError("gone", name="shop", path="/shop.py"))
    assert (error.name, error.path) == ("shop", "/shop.py")
    assert survived(io) is io


class NewArgs(Exception):
    def __new__(cls, a: int, b: int) -> NewArgs:
        made = super().__new__(cls, a)
        made.b = b  # type: ignore[attr-defined]
        return made

    def __init__(self, a: int, b: int) -> None:
        self.a = a


class Loose(msgspec.Struct, dict=True):
    n: int | msgspec.UnsetType = msgspec.UNSET


def test_errors_and_structs_that_do_as_they_like_are_saved() -> None:
    error = survived(NewArgs(1, 2))
    assert (error.a, error.b, error.args) == (1, 2, (1,))
    loose = Loose()
    loose.extra = 5
    found = survived(loose)
    assert (found.n, found.extra) == (msgspec.UNSET, 5)


def test_tuples_stay_shared_and_small() -> None:
    deep: Any = (1, [2])
    for _ in range(40):
        deep = (deep, deep)
    found = survived([deep, deep])
    assert found[0] is found[1]
    assert found[0][0] is found[0][1]
    knot: list[Any] = []
    knot.append((knot,))
    assert survived(knot)[0][0] is not None


def test_a_snapshot_of_an_unknown_format_is_refused() -> None:
    program = Program(Holder)
    data = read(advance(program, None, [Start(args=(1,))], now=NOW).snapshot)
    with pytest.raises(SnapshotError, match="format 2"):
        read(write({**data, "format": 2}))
    with pytest.raises(SnapshotError, match="not JSON"):
        read("{")


def test_a_snapshot_of_another_source_is_refused() -> None:
    program = Program(Holder)
    text = advance(program, None, [Start(args=(1,))], now=NOW).snapshot
    data = read(text)
    data["branches"]["0"]["stack"][0]["frames"][0]["at"] = "1:1"
    with pytest.raises(StepError, match="another source"):
        advance(program, write(data), [Fire(wait=1)], now=NOW)


class Opaque(Signal):
    n: int


def test_a_snapshot_cannot_name_a_class_of_another_kind() -> None:
    program = Program(Holder)
    data = read(advance(program, None, [Start(args=(Box(),))], now=NOW).snapshot)
    held = data["branches"]["0"]["stack"][0]["frames"][0]["locals"]
    held["kept"] = {"$data": ["builtins:dict", {}]}
    with pytest.raises(SnapshotError, match="not of the kind"):
        view(program, write(data))


def test_uuid_and_time_are_listed() -> None:
    assert survived([UUID(int=5), time(1, 2), date(2026, 1, 1), Decimal("1.50")])[3].as_tuple().exponent == -2
