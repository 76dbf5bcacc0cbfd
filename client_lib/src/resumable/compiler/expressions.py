"""Takes awaits out of expressions, keeping the order in which Python evaluates.

``f(a(), await b())`` becomes ``t1 = a(); t2 = await b(); f(t1, t2)``: what was
evaluated before the await is kept in a hidden local, so that it is saved.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Final

from resumable.compiler.build import at, branch, load, negated, store

_SCOPES = (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SUSPENDS: Final = (ast.Await, ast.AsyncFor, ast.AsyncWith)

#: Reports an await that cannot be taken out: the node and how to mend it.
Refuse = Callable[[ast.AST, str], Exception]


def suspends(node: ast.AST) -> bool:
    """Whether the node holds an await of its own scope."""
    if isinstance(node, _SUSPENDS) or getattr(node, "is_async", False):
        return True
    if isinstance(node, _SCOPES):
        return any(suspends(part) for part in _evaluated_now(node))
    return any(suspends(child) for child in ast.iter_child_nodes(node))


def _evaluated_now(node: ast.AST) -> list[ast.AST]:
    parts: list[ast.AST] = list(getattr(node, "decorator_list", []))
    arguments = getattr(node, "args", None)
    if isinstance(arguments, ast.arguments):
        parts += [*arguments.defaults, *(value for value in arguments.kw_defaults if value)]
    if isinstance(node, ast.ClassDef):
        parts += [*node.bases, *(keyword.value for keyword in node.keywords)]
    return parts


class Hoist:
    """Rewrites the expressions of one statement; ``out`` receives what must run before it."""

    def __init__(
        self,
        suspend: Callable[[str, ast.Await, ast.expr], ast.stmt],
        temporary: Callable[[], str],
        shared: set[str],
        refuse: Refuse,
    ) -> None:
        self._suspend = suspend
        self._temporary = temporary
        self._shared = shared
        self._refuse = refuse
        self.out: list[ast.stmt] = []

    def expression(self, node: ast.expr) -> ast.expr:
        """The same expression without awaits."""
        if not suspends(node):
            return node
        special = _SPECIAL.get(type(node))
        if special is not None:
            return special(self, node)
        if isinstance(node, (*_COMPREHENSIONS, ast.Lambda)):
            return self._comprehension(node)
        return self._parts(node)

    def sequence(self, nodes: Iterable[ast.expr]) -> list[ast.expr]:
        """Sub-expressions in evaluation order; those before the last await are kept."""
        nodes = list(nodes)
        last = max((i for i, node in enumerate(nodes) if suspends(node)), default=-1)
        rest = [self.keep(node, nodes[i + 1 :]) for i, node in enumerate(nodes[:last])]
        if last >= 0:
            rest.append(self.expression(nodes[last]))
        return rest + nodes[last + 1 :]

    def keep(self, node: ast.expr, later: list[ast.expr]) -> ast.expr:
        """The value that ``node`` has now, for use after ``later`` has been evaluated."""
        node = self.expression(node)
        if isinstance(node, ast.Starred):
            inner = at(ast.List(elts=[node], ctx=ast.Load()), node)
            return at(ast.Starred(value=self._kept(inner), ctx=ast.Load()), node)
        if isinstance(node, ast.FormattedValue):
            inner_text = at(ast.JoinedStr(values=[node]), node)
            return at(ast.FormattedValue(value=self._kept(inner_text), conversion=-1), node)
        if isinstance(node, ast.Slice):
            bounds = [part for part in (node.lower, node.upper, node.step) if part is not None]
            if not all(self._stable(part, later) for part in bounds):
                name = at(load("slice"), node)
                none = at(ast.Constant(value=None), node)
                parts = [part or none for part in (node.lower, node.upper, node.step)]
                return self._kept(at(ast.Call(func=name, args=parts, keywords=[]), node))
            return node
        return node if self._stable(node, later) else self._kept(node)

    def _kept(self, node: ast.expr) -> ast.expr:
        name = self._temporary()
        self.out.append(at(store(name, node), node))
        return at(load(name), node)

    def _stable(self, node: ast.expr, later: list[ast.expr]) -> bool:
        """Whether evaluating it after the await gives the same as before."""
        if isinstance(node, ast.Constant):
            return True
        if not isinstance(node, ast.Name):
            return False
        rebound = {inner.target.id for other in later for inner in ast.walk(other) if isinstance(inner, ast.NamedExpr)}
        return node.id not in self._shared and node.id not in rebound

    def _parts(self, node: ast.expr) -> ast.expr:
        """Any expression that evaluates all its parts, left to right."""
        fields = [(name, value) for name, value in ast.iter_fields(node) if _evaluates(value)]
        flat: list[ast.expr] = []
        for _, value in fields:
            flat += value if isinstance(value, list) else [value]
        rebuilt = iter(self.sequence(flat))
        changes = {
            name: [next(rebuilt) for _ in value] if isinstance(value, list) else next(rebuilt) for name, value in fields
        }
        return at(type(node)(**{**dict(ast.iter_fields(node)), **changes}), node)

    def _await(self, node: ast.Await) -> ast.expr:
        operand = self.expression(node.value)
        name = self._temporary()
        self.out.append(self._suspend(name, node, operand))
        return at(load(name), node)

    def _call(self, node: ast.Call) -> ast.expr:
        method = node.func if isinstance(node.func, ast.Attribute) else None
        head = method.value if method else node.func
        values = [keyword.value for keyword in node.keywords]
        spread = [
            at(ast.Dict(keys=[None], values=[value]), value) if keyword.arg is None else value
            for keyword, value in zip(node.keywords, values, strict=True)
        ]
        head, *rest = self.sequence([head, *node.args, *spread])
        arguments, values = rest[: len(node.args)], rest[len(node.args) :]
        if method:
            head = at(ast.Attribute(value=head, attr=method.attr, ctx=ast.Load()), method)
        keywords = [
            at(ast.keyword(arg=keyword.arg, value=value), keyword)
            for keyword, value in zip(node.keywords, values, strict=True)
        ]
        return at(ast.Call(func=head, args=arguments, keywords=keywords), node)

    def _dict(self, node: ast.Dict) -> ast.expr:
        # A part without a key is spread with `**`.
        parts = [part for pair in zip(node.keys, node.values, strict=True) for part in pair if part is not None]
        rebuilt = iter(self.sequence(parts))
        pairs = [(key and next(rebuilt), next(rebuilt)) for key in node.keys]
        return at(ast.Dict(keys=[key for key, _ in pairs], values=[value for _, value in pairs]), node)

    def _either(self, node: ast.BoolOp) -> ast.expr:
        name = self._temporary()
        self.out.append(at(store(name, self.expression(node.values[0])), node.values[0]))
        outer = block = self.out
        for value in node.values[1:]:
            self.out = []
            rebuilt = self.expression(value)
            inner = [*self.out, at(store(name, rebuilt), value)]
            test = load(name) if isinstance(node.op, ast.And) else negated(load(name))
            block.append(at(_hoisted(branch(test, inner)), value))
            block = inner
        self.out = outer
        return at(load(name), node)

    def _conditional(self, node: ast.IfExp) -> ast.expr:
        name = self._temporary()
        test = self.expression(node.test)
        outer, arms = self.out, []
        for arm in (node.body, node.orelse):
            self.out = []
            value = self.expression(arm)
            arms.append([*self.out, at(store(name, value), arm)])
        self.out = outer
        self.out.append(at(_hoisted(branch(test, arms[0], arms[1])), node))
        return at(load(name), node)

    def _compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) > 1 and any(suspends(part) for part in node.comparators[1:]):
            raise self._refuse(node, "await into a variable before the chained comparison")
        if len(node.ops) > 1:
            left, first = self.sequence([node.left, node.comparators[0]])
            comparators = [first, *node.comparators[1:]]
        else:
            left, *comparators = self.sequence([node.left, *node.comparators])
        return at(ast.Compare(left=left, ops=node.ops, comparators=comparators), node)

    def _named(self, node: ast.NamedExpr) -> ast.expr:
        value = self.expression(node.value)
        return at(ast.NamedExpr(target=node.target, value=value), node)

    def _comprehension(self, node: ast.expr) -> ast.expr:
        fix = "write it as a for loop"
        if isinstance(node, ast.Lambda):
            raise self._refuse(node, "a default value is no place for an await; await into a variable")
        assert isinstance(node, _COMPREHENSIONS)
        first, *others = node.generators
        inner: list[ast.AST] = [*others, *first.ifs, first.target]
        inner += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        if first.is_async or any(suspends(part) or getattr(part, "is_async", 0) for part in inner):
            raise self._refuse(node, fix)
        source = self.expression(first.iter)
        generator = ast.comprehension(target=first.target, iter=source, ifs=first.ifs, is_async=0)
        fields = {**dict(ast.iter_fields(node)), "generators": [generator, *others]}
        return at(type(node)(**fields), node)


def _hoisted(node: ast.If) -> ast.If:
    """An ``if`` that stands for part of an expression, not for one of the author's."""
    node.hoisted = True  # type: ignore[attr-defined]  # lowering reads it
    return node


def _evaluates(value: object) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(item, ast.expr) for item in value)
    return isinstance(value, ast.expr)


_SPECIAL: Final[dict[type[ast.expr], Callable[[Hoist, ast.expr], ast.expr]]] = {
    ast.Await: Hoist._await,  # type: ignore[dict-item]
    ast.Call: Hoist._call,  # type: ignore[dict-item]
    ast.Dict: Hoist._dict,  # type: ignore[dict-item]
    ast.BoolOp: Hoist._either,  # type: ignore[dict-item]
    ast.IfExp: Hoist._conditional,  # type: ignore[dict-item]
    ast.Compare: Hoist._compare,  # type: ignore[dict-item]
    ast.NamedExpr: Hoist._named,  # type: ignore[dict-item]
}
