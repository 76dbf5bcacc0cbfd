"""Suspension points: the places of a function where a snapshot can be taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Point:
    """One await, named by its place in the source: ``"line:column"``.

    ``temporaries`` are the hidden locals that the rest of the function still
    needs; ``statement`` is the lowered statement that suspends.
    """

    key: str
    line: int
    statement: Any = None
    temporaries: set[str] = field(default_factory=set)
