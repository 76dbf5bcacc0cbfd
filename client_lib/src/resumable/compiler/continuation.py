"""Builds the rest of a function from a suspension point on, as code of its own.

The first thing the rest does is to restore the locals; the second is to await
what the frame was awaiting. Enclosing ``if`` and ``match`` arms are entered
without their test, loops begin with the rest of their body, ``try`` keeps its
handlers, and inside a handler the saved exception is raised again so that a
bare ``raise`` still works.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import Any

from resumable.compiler.build import FRAME, at, branch, load, on_frame, store
from resumable.compiler.points import Point


class Rest:
    """The statements that remain to be run once ``point`` has its result."""

    def __init__(self, body: list[ast.stmt], point: Point) -> None:
        self._point = point
        self._loops = 0
        found = self._block(body)
        assert found is not None, f"point {point.key} is not in the function"
        self.body = found

    def _block(self, block: list[ast.stmt]) -> list[ast.stmt] | None:
        for index, statement in enumerate(block):
            entered = self._enter(statement)
            if entered is not None:
                return entered + block[index + 1 :]
        return None

    def _enter(self, node: Any) -> list[ast.stmt] | None:
        if node is self._point.statement:
            copy = type(node)(**dict(ast.iter_fields(node)))
            copy.value = at(ast.Await(value=on_frame("awaited")), node.value)
            return [ast.copy_location(copy, node)]
        if isinstance(node, ast.If):
            return self._first_of(node.body, node.orelse)
        if isinstance(node, (ast.While, ast.For)):
            return self._loop(node)
        if isinstance(node, ast.Try):
            return self._try(node)
        if isinstance(node, ast.Match):
            return self._first_of(*(case.body for case in node.cases))
        return None

    def _first_of(self, *blocks: list[ast.stmt]) -> list[ast.stmt] | None:
        for block in blocks:
            rest = self._block(block)
            if rest is not None:
                return rest
        return None

    def _loop(self, node: Any) -> list[ast.stmt] | None:
        rest = self._block(node.body)
        if rest is None:
            return self._block(node.orelse)
        self._loops += 1
        first = f"@first{self._loops}"
        again, body = self._pass(node)
        test = ast.BoolOp(op=ast.Or(), values=[load(first), again])
        choice = branch(load(first), [store(first, ast.Constant(value=False)), *rest], body)
        loop = ast.While(test=test, body=[choice], orelse=node.orelse)
        begin = store(first, ast.Constant(value=True))
        return [at(begin, node), at(loop, node)]

    def _pass(self, node: Any) -> tuple[ast.expr, list[ast.stmt]]:
        """The test before one more pass, and the body of that pass."""
        if isinstance(node, ast.While):
            return node.test, node.body
        iterator = node.iterator
        advance = ast.Attribute(value=load(iterator), attr="advance", ctx=ast.Load())
        value = ast.Attribute(value=load(iterator), attr="value", ctx=ast.Load())
        take = at(ast.Assign(targets=[node.target], value=value), node)
        return ast.Call(func=advance, args=[], keywords=[]), [take, *node.body]

    def _try(self, node: ast.Try) -> list[ast.stmt] | None:
        rest = self._block(node.body)
        if rest is not None:
            return [self._shielded(rest, node, node.handlers, node.orelse)]
        for handler in node.handlers:
            rest = self._block(handler.body)
            if rest is not None:
                return self._in_handler(node, handler, rest)
        rest = self._block(node.orelse)
        if rest is None or not node.finalbody:
            return rest
        return [self._shielded(rest, node, [], [])]

    def _in_handler(self, node: ast.Try, handler: Any, rest: list[ast.stmt]) -> list[ast.stmt]:
        if handler.name != handler.error:
            # The author's name is unbound when the handler ends, however it ends.
            gone = [store(handler.name, ast.Constant(value=None)), _delete(handler.name)]
            rest = [at(ast.Try(body=rest, handlers=[], orelse=[], finalbody=gone), handler)]
        # Raised inside another handler the error would get that one's as its context.
        context = ast.Attribute(value=load(handler.error), attr="__context__", ctx=ast.Load())
        before = at(store("@context", context), handler)
        place = ast.Attribute(value=load(handler.error), attr="__context__", ctx=ast.Store())
        mend = at(ast.Assign(targets=[place], value=load("@context")), handler)
        again = ast.ExceptHandler(type=on_frame("Anything"), name=handler.error, body=[mend, *rest])
        raising = ast.Raise(exc=load(handler.error), cause=None)
        inner = at(ast.Try(body=[raising], handlers=[again], orelse=[], finalbody=[]), handler)
        return [self._shielded([before, inner], node, [], [])] if node.finalbody else [before, inner]

    def _shielded(
        self,
        body: list[ast.stmt],
        node: ast.Try,
        handlers: list[ast.ExceptHandler],
        orelse: list[ast.stmt],
    ) -> ast.stmt:
        if not handlers and not node.finalbody:
            return at(branch(ast.Constant(value=True), body), node)
        return at(ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=node.finalbody), node)


def _delete(name: str) -> ast.Delete:
    return ast.Delete(targets=[ast.Name(id=name, ctx=ast.Del())])


def restoring(names: Iterable[str]) -> list[ast.stmt]:
    """Statements that give the saved locals their values; unbound ones stay unbound."""
    statements: list[ast.stmt] = []
    for name in names:
        key = ast.Constant(value=name)
        test = ast.Compare(left=key, ops=[ast.In()], comparators=[on_frame("values")])
        value = ast.Subscript(value=on_frame("values"), slice=key, ctx=ast.Load())
        statements.append(branch(test, [store(name, value)]))
    return statements


def compiled_function(name: str, first_line: int, outer: list[ast.stmt], body: list[ast.stmt]) -> ast.AsyncFunctionDef:
    """``async def name(@frame)`` around a body."""
    arguments = ast.arguments(posonlyargs=[], args=[ast.arg(arg=FRAME)], kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.AsyncFunctionDef(name=name, args=arguments, body=[*outer, *body] or [ast.Pass()], decorator_list=[])
    first = ast.Pass(lineno=first_line, col_offset=0, end_lineno=first_line, end_col_offset=0)
    return at(function, first)
