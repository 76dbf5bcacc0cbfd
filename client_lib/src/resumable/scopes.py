"""Named parts of a workflow that can be cancelled alone."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

from resumable.errors import NotResumable


@dataclass(eq=False)
class Scope:
    """An ``async with cancel_scope(name) as scope`` block; ``scope.cancelled`` says how it ended."""

    name: str
    cancelled: bool = False
    #: How often it was raised again because the block went on awaiting.
    raised: int = 0

    __resumable_scope__: ClassVar[bool] = True

    async def __aenter__(self) -> Scope:
        raise NotResumable("cancel_scope() can only be opened in a resumable function")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        raise NotResumable("cancel_scope() can only be opened in a resumable function")


def cancel_scope(name: str) -> Scope:
    """A block that ``self.cancel(name)`` or an operator can cancel alone.

    It absorbs its own cancellation: the code after the block goes on.
    """
    if not isinstance(name, str) or not name:
        raise TypeError(f"cancel_scope() takes a name, not {name!r}")
    return Scope(name)


cancel_scope.__resumable_scope__ = True  # type: ignore[attr-defined]  # the compiler looks for it
