"""Small pieces of syntax tree that the compiler writes around an author's code.

Hidden names begin with ``@``, which no author can write.
"""

from __future__ import annotations

import ast
from typing import Final, TypeVar

#: The frame record: the one parameter of every compiled function.
FRAME: Final = "@frame"
#: Module global through which closures are made known.
MARK: Final = "@closure"

N = TypeVar("N", bound=ast.AST)


def at(node: N, place: ast.AST) -> N:
    """``node`` with the position of ``place``, on it and on all its parts that have none.

    Parts with a position are complete and are not gone into: the trees of a
    function's continuations share most of their nodes.
    """
    ast.copy_location(node, place)
    for child in ast.iter_child_nodes(node):
        _place(child, place)
    return node


def _place(node: ast.AST, place: ast.AST) -> None:
    if "lineno" in node._attributes:
        if hasattr(node, "lineno"):
            return
        ast.copy_location(node, place)
    for child in ast.iter_child_nodes(node):
        _place(child, place)


def load(name: str) -> ast.Name:
    return ast.Name(id=name, ctx=ast.Load())


def store(name: str, value: ast.expr) -> ast.Assign:
    return ast.Assign(targets=[ast.Name(id=name, ctx=ast.Store())], value=value)


def on_frame(attribute: str) -> ast.Attribute:
    return ast.Attribute(value=load(FRAME), attr=attribute, ctx=ast.Load())


def call_frame(method: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(func=on_frame(method), args=list(arguments), keywords=[])


def negated(test: ast.expr) -> ast.UnaryOp:
    return ast.UnaryOp(op=ast.Not(), operand=test)


def branch(test: ast.expr, body: list[ast.stmt], orelse: list[ast.stmt] | None = None) -> ast.If:
    return ast.If(test=test, body=body or [ast.Pass()], orelse=orelse or [])
