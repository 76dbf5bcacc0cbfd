"""Readies a function's tree for lowering: marks closures, frees ``super()``, refuses what cannot work."""

from __future__ import annotations

import ast
import copy
from typing import Final

from resumable.compiler.build import MARK, at, load
from resumable.compiler.names import closures, own_nodes
from resumable.errors import DefinitionError

_REFUSED: Final = {
    ast.Yield: "`yield` makes a generator; a workflow function returns one result",
    ast.YieldFrom: "`yield from` makes a generator; a workflow function returns one result",
    ast.AsyncFunctionDef: (
        "an `async def` inside a resumable function cannot be saved: make it a method of the "
        "workflow, or a module-level helper with @resumable"
    ),
}


class Prepared:
    """A private copy of the tree. ``outer`` holds its ``global`` and ``nonlocal`` statements."""

    def __init__(self, tree: ast.AsyncFunctionDef, reference: str, path: str) -> None:
        self.tree = copy.deepcopy(tree)
        for node in own_nodes(self.tree):
            if type(node) in _REFUSED:
                line = getattr(node, "lineno", 0)
                raise DefinitionError(_REFUSED[type(node)], path=path, line=line)
        self.closures = closures(self.tree)
        rewrite = _Rewrite(self.tree, reference, {id(node): i for i, node in enumerate(self.closures)})
        self.tree.body = [rewrite.visit(statement) for statement in self.tree.body]
        self.outer = rewrite.outer


class _Rewrite(ast.NodeTransformer):
    def __init__(self, tree: ast.AsyncFunctionDef, reference: str, numbers: dict[int, int]) -> None:
        first = [*tree.args.posonlyargs, *tree.args.args]
        self._first = first[0].arg if first else None
        self._reference = reference
        self._numbers = numbers
        self._depth = 0
        self.outer: list[ast.Global | ast.Nonlocal] = []

    def visit_Global(self, node: ast.Global) -> ast.stmt:
        return self._outer(node)

    def visit_Nonlocal(self, node: ast.Nonlocal) -> ast.stmt:
        return self._outer(node)

    def _outer(self, node: ast.Global | ast.Nonlocal) -> ast.stmt:
        if self._depth:
            return node
        self.outer.append(node)
        return at(ast.Pass(), node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        """A name that is ``nonlocal`` in the compiled function may not be annotated."""
        self.generic_visit(node)
        if self._depth or not isinstance(node.target, ast.Name):
            return node
        if node.value is None:
            return at(ast.Pass(), node)
        return at(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """``super()`` looks at the first argument of its frame, which is not the author's here."""
        self.generic_visit(node)
        bare = isinstance(node.func, ast.Name) and node.func.id == "super"
        if bare and not node.args and not node.keywords and not self._depth and self._first:
            node.args = [at(load("__class__"), node), at(load(self._first), node)]
        return node

    def visit_Lambda(self, node: ast.Lambda) -> ast.AST:
        number = self._numbers[id(node)]
        self._inside(node)
        return at(ast.Call(func=self._mark(number), args=[node], keywords=[]), node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        number = self._numbers[id(node)]
        self._inside(node)
        if not node.decorator_list:
            node.decorator_list = [at(self._mark(number), node)]
        return node

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        self._inside(node)
        return node

    def _inside(self, node: ast.AST) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    def _mark(self, number: int) -> ast.Call:
        arguments: list[ast.expr] = [ast.Constant(value=self._reference), ast.Constant(value=number)]
        return ast.Call(func=load(MARK), args=arguments, keywords=[])
