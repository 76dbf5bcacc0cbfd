from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.gateway.bodies import DEPTH, parsed
from apps.gateway.problems import MalformedBody

# What a database stores and JSON can say: no NUL, no half of a surrogate pair.
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)))
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(PLAIN, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=20)


@given(JSON, st.booleans())
def test_json_is_read_as_it_was_written(value: Any, ascii_only: bool) -> None:
    content = json.dumps(value, ensure_ascii=ascii_only).encode()
    assert parsed(content) == value


@given(st.binary())
def test_anything_else_is_refused_and_never_a_fault(content: bytes) -> None:
    try:
        value = parsed(content)
    except MalformedBody:
        return
    assert json.loads(content) == value


@given(JSON, st.sampled_from(["\x00", "\ud800", "\udfff"]))
def test_what_no_database_stores_is_found_at_any_depth(value: Any, character: str) -> None:
    for hidden in ([value, f"a{character}b"], {"k": [value, {f"{character}": 1}]}, [[[character]]]):
        with pytest.raises(MalformedBody):
            parsed(json.dumps(hidden).encode())


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_bounded(opening: str, closing: str) -> None:
    def nested(levels: int) -> bytes:
        return (opening * levels + "1" + closing * levels).encode()

    parsed(nested(DEPTH))
    for levels in (DEPTH + 1, 2_000, 100_000):
        with pytest.raises(MalformedBody, match="64 levels"):
            parsed(nested(levels))
