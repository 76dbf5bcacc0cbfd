"""Uids."""

from __future__ import annotations

import re

import pytest

from resumable.wire.uids import checked_uid, new_uid


def test_new_uids_differ_and_are_of_version_seven() -> None:
    made = [new_uid() for _ in range(1_000)]
    assert len(set(made)) == 1_000
    assert all(re.fullmatch(r"[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}", each) for each in made)


def test_new_uids_sort_by_time() -> None:
    stamps = [new_uid()[:12] for _ in range(1_000)]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("uid", ["a", "payment:4711/2", "x" * 200])
def test_an_own_uid_of_visible_ascii_is_taken(uid: str) -> None:
    assert checked_uid(uid) == uid


@pytest.mark.parametrize("uid", ["", "x" * 201, "a b", "é", "a\n", "\u0661", None, 5])
def test_another_is_refused(uid: object) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        checked_uid(uid)  # type: ignore[arg-type]
