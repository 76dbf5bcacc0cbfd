"""A file or function that outgrows these bounds is to be taken apart; an exception needs its reason here."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("apps", "client_lib/src", "examples", "tests", "workflow_engine")
FILE_LINES = 500
FUNCTION_LINES = 70
CATCH_ALLS = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "managers"}

#: path, or path::function → why it may be longer.
ALLOWED: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            yield node


def length(function: Function) -> int:
    """Lines of the function without its docstring."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def too_long() -> dict[str, int]:
    files = {name_of(path): len(path.read_text().splitlines()) for path in sources()}
    bodies = {f"{name_of(path)}::{each.name}": length(each) for path in sources() for each in functions(path)}
    return {name: lines for name, lines in files.items() if lines > FILE_LINES} | {
        name: lines for name, lines in bodies.items() if lines > FUNCTION_LINES
    }


def test_no_file_and_no_function_outgrows_its_bound() -> None:
    assert {name: lines for name, lines in too_long().items() if name not in ALLOWED} == {}


def test_every_exception_is_still_needed() -> None:
    assert set(ALLOWED) - set(too_long()) == set()


def test_every_module_is_named_by_its_topic() -> None:
    assert [name_of(path) for path in sources() if path.stem in CATCH_ALLS or path.parent.name in CATCH_ALLS] == []


def test_a_docstring_is_not_counted() -> None:
    function = ast.parse('def f():\n    """One.\n\n    Two.\n    """\n    return 1\n').body[0]
    assert isinstance(function, Function)
    assert length(function) == 2


@pytest.mark.parametrize("folder", ["apps", "client_lib/src", "tests", "workflow_engine"])
def test_the_folders_are_where_they_are_looked_for(folder: str) -> None:
    assert any(name_of(path).startswith(folder) for path in sources())
