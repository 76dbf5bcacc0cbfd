"""Suspension points: the places of a function where a snapshot can be taken."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Point:
    """One await, named by its place in the source: ``"line:column"``.

    ``temporaries`` are the hidden locals that the rest of the function still
    needs; ``statement`` is the lowered statement that suspends.
    """

    key: str
    line: int
    statement: ast.stmt | None = None
    temporaries: set[str] = field(default_factory=set)
