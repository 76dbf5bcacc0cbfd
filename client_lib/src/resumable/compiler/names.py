"""Which names a function binds, and which of them its closures share.

CPython's own answer (``co_varnames``, ``co_cellvars``) differs between
releases, because 3.12 began to inline comprehensions. A snapshot must not
depend on that, so names are read from the syntax tree.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Closure = ast.Lambda | ast.FunctionDef
_SCOPES = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def mangle(name: str, owner: str | None) -> str:
    """``__x`` inside ``class C`` is ``_C__x``."""
    if owner is None or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    stripped = owner.lstrip("_")
    return f"_{stripped}{name}" if stripped else name


def own_nodes(function: ast.AsyncFunctionDef) -> Iterator[ast.AST]:
    """All nodes of the body that belong to the function's own scope."""
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, _SCOPES):
            pending.extend(_outer_parts(node))
        else:
            pending.extend(ast.iter_child_nodes(node))


def _outer_parts(node: ast.AST) -> list[ast.AST]:
    """What a nested definition evaluates in the scope around it."""
    parts: list[ast.AST] = list(getattr(node, "decorator_list", []))
    if isinstance(node, ast.ClassDef):
        parts += [*node.bases, *(keyword.value for keyword in node.keywords)]
    elif isinstance(node, (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef)):
        parts += [*node.args.defaults, *(value for value in node.args.kw_defaults if value)]
    return parts


def bound_names(function: ast.AsyncFunctionDef) -> set[str]:
    """Names that are local to the function, as written (not mangled)."""
    arguments = function.args
    names = {argument.arg for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    names |= {argument.arg for argument in (arguments.vararg, arguments.kwarg) if argument}
    foreign: set[str] = set()
    inside = _comprehension_targets(function)
    for node in own_nodes(function):
        if isinstance(node, (ast.Global, ast.Nonlocal)):
            foreign |= set(node.names)
        elif id(node) not in inside:
            names |= set(_binds(node))
    return names - foreign


def _comprehension_targets(function: ast.AsyncFunctionDef) -> set[int]:
    found: set[int] = set()
    for node in own_nodes(function):
        if isinstance(node, _COMPREHENSIONS):
            for generator in node.generators:
                found |= {id(inner) for inner in ast.walk(generator.target)}
    return found


def _binds(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        yield node.id
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        yield node.name
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        yield from (alias.asname or alias.name.split(".")[0] for alias in node.names)
    elif isinstance(node, (ast.ExceptHandler, ast.MatchAs, ast.MatchStar)):
        if node.name:
            yield node.name
    elif isinstance(node, ast.MatchMapping) and node.rest:
        yield node.rest


def closures(function: ast.AsyncFunctionDef) -> list[Closure]:
    """Every lambda and nested ``def``, at any depth, in the order of the source."""
    found = [
        node
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, (ast.Lambda, ast.FunctionDef))
    ]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def shared_names(function: ast.AsyncFunctionDef) -> set[str]:
    """Local names that a lambda, nested ``def`` or class also uses: they live in cells."""
    used: set[str] = set()
    for statement in function.body:
        for node in ast.walk(statement):
            if isinstance(node, _SCOPES):
                used |= {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
                used |= {name for inner in ast.walk(node) if isinstance(inner, ast.Nonlocal) for name in inner.names}
    return used & bound_names(function)
