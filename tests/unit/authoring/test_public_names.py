"""What the package offers is what it says, no more and no less."""

from __future__ import annotations

import resumable


def test_all_is_sorted_and_exactly_the_public_names() -> None:
    modules = {name for name, value in vars(resumable).items() if type(value).__name__ == "module"}
    public = {name for name in vars(resumable) if not name.startswith("_")} - modules - {"annotations"}
    assert list(resumable.__all__) == sorted(public | {"resumable"})


def test_errors_have_codes_of_their_own() -> None:
    from resumable import errors

    tree = [cls for cls in vars(errors).values() if isinstance(cls, type) and cls.__module__ == errors.__name__]
    codes = [cls.code for cls in tree]
    assert len(set(codes)) == len(codes) == 13
    assert not issubclass(errors.WaitCancelled, Exception)
    drawn = errors.__doc__ or ""
    assert all(cls.__name__ in drawn for cls in tree)
