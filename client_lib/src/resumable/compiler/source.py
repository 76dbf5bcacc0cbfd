"""Finds the syntax tree of a function, with the file's own line numbers."""

from __future__ import annotations

import ast
import linecache
from functools import lru_cache
from types import FunctionType

from resumable.errors import DefinitionError


def function_tree(function: FunctionType) -> ast.AsyncFunctionDef:
    """The definition of ``function`` in its file.

    :raises DefinitionError: the source is not to be had, or is not what runs.
    """
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        raise DefinitionError(
            f"the source of {function.__qualname__} cannot be read; a workflow must be defined in a file",
            path=code.co_filename,
            line=code.co_firstlineno,
        )
    found = _definitions("".join(lines), code.co_filename).get((code.co_name, code.co_firstlineno))
    if found is None:
        raise DefinitionError(
            f"the file no longer holds {function.__qualname__} at this line; it was edited after "
            "it was imported. Load it again",
            path=code.co_filename,
            line=code.co_firstlineno,
        )
    return found


@lru_cache(maxsize=64)
def _definitions(text: str, path: str) -> dict[tuple[str, int], ast.AsyncFunctionDef]:
    found = {}
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.AsyncFunctionDef):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            found[node.name, first] = node
    return found
