"""Brings a function into the form in which it can be left and entered at any await.

After lowering, every suspension is a statement of its own (``x = await …``,
``await …`` or ``return await …``), loops around an await run on iterators that
can be saved, exception handlers keep the exception they handle, and ``finally``
bodies and handlers do not run when a saved coroutine is merely dropped.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from resumable.compiler.build import at, branch, call_frame, load, negated, on_frame, store
from resumable.compiler.expressions import Hoist, suspends
from resumable.compiler.points import Point
from resumable.errors import DefinitionError

_DIRECT: Final = (ast.Assign, ast.Expr, ast.Return)


class Lowering:
    """The lowered body of one function and its suspension points."""

    def __init__(
        self,
        tree: ast.AsyncFunctionDef,
        *,
        path: str,
        shared: set[str],
        is_scope: Callable[[ast.expr], bool],
    ) -> None:
        self.points: dict[str, Point] = {}
        self._path = path
        self._shared = shared
        self._is_scope = is_scope
        self._held: list[str] = []
        self._count = 0
        self.body = self._block(tree.body)

    def _refuse(self, node: ast.AST, fix: str, what: str = "an await cannot stand here") -> DefinitionError:
        return DefinitionError(f"{what}: {fix}", path=self._path, line=getattr(node, "lineno", 0))

    def _temporary(self) -> str:
        self._count += 1
        return f"@{self._count}"

    @contextmanager
    def _holding(self, *names: str) -> Iterator[None]:
        """Within this block, every suspension saves these hidden locals."""
        self._held += names
        yield
        del self._held[len(self._held) - len(names) :]

    def _block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        lowered: list[ast.stmt] = []
        for statement in statements:
            lowered += self._statement(statement)
        return lowered or [ast.Pass()]

    def _statement(self, node: ast.stmt) -> list[ast.stmt]:
        if not suspends(node):
            return [node]
        lower = _COMPOUND.get(type(node), Lowering._simple)
        lowered: list[ast.stmt] = lower(self, node)
        _keep_temporaries(lowered, set())
        return lowered

    def _suspension(self, statement: Any, node: ast.AST, operand: ast.expr) -> ast.stmt:
        """Make ``statement`` the suspension of a new point: its value becomes the await."""
        line, column = getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
        point = Point(key=f"{line}:{column}", line=line, temporaries=set(self._held))
        entered = at(call_frame("enter", ast.Constant(value=point.key), operand), node)
        statement.value = at(ast.Await(value=entered), node)
        statement.point = point
        lowered: ast.stmt = at(statement, node)
        point.statement = lowered
        self.points[point.key] = point
        return lowered

    def _hoist(self) -> Hoist:
        def suspend(name: str, node: ast.Await, operand: ast.expr) -> ast.stmt:
            return self._suspension(store(name, operand), node, operand)

        return Hoist(suspend, self._temporary, self._shared, self._refuse)

    def _simple(self, node: Any) -> list[ast.stmt]:
        hoist = self._hoist()
        value: Any = getattr(node, "value", None)
        plain = isinstance(node, _DIRECT) and isinstance(value, ast.Await)
        if plain and not any(suspends(target) for target in getattr(node, "targets", [])):
            operand = hoist.expression(value.value)
            copy = type(node)(**dict(ast.iter_fields(node)))
            return [*hoist.out, self._suspension(at(copy, node), value, operand)]
        if isinstance(node, ast.AugAssign):
            return self._augmented(node, hoist)
        if isinstance(node, ast.Assert):
            return self._assertion(node)
        fields = _ORDER.get(type(node))
        targets = [target for target in getattr(node, "targets", []) if suspends(target)]
        if fields is None or (targets and not _one_subscript(node)):
            raise self._refuse(node, "await into a variable first and use the variable here")
        given = [getattr(node, name) for name in fields]
        flat = [item for part in given for item in (part if isinstance(part, list) else [part]) if item]
        rebuilt = iter(hoist.sequence(flat))
        changes = {
            name: [next(rebuilt) for _ in part] if isinstance(part, list) else part and next(rebuilt)
            for name, part in zip(fields, given, strict=True)
        }
        return [*hoist.out, at(type(node)(**{**dict(ast.iter_fields(node)), **changes}), node)]

    def _augmented(self, node: ast.AugAssign, hoist: Hoist) -> list[ast.stmt]:
        """``target += await …``: the target is read before the await, as Python does."""
        if suspends(node.target):
            raise self._refuse(node, "await into a variable before the augmented assignment")
        old, target = self._temporary(), node.target
        if isinstance(target, ast.Attribute):
            owner = hoist.keep(target.value, [node.value])
            place: ast.expr = ast.Attribute(value=owner, attr=target.attr, ctx=ast.Store())
            read: ast.expr = ast.Attribute(value=owner, attr=target.attr, ctx=ast.Load())
        elif isinstance(target, ast.Subscript):
            owner = hoist.keep(target.value, [node.value])
            index = hoist.keep(target.slice, [node.value])
            place = ast.Subscript(value=owner, slice=index, ctx=ast.Store())
            read = ast.Subscript(value=owner, slice=index, ctx=ast.Load())
        else:
            place, read = target, load(target.id)
        hoist.out.append(at(store(old, read), node))
        value = hoist.expression(node.value)
        added = ast.AugAssign(target=ast.Name(id=old, ctx=ast.Store()), op=node.op, value=value)
        back = ast.Assign(targets=[place], value=load(old))
        return [*hoist.out, at(added, node), at(back, node)]

    def _assertion(self, node: ast.Assert) -> list[ast.stmt]:
        # Python evaluates the message only when the test fails.
        error = ast.Call(func=load("AssertionError"), args=[node.msg] if node.msg else [], keywords=[])
        failing = branch(negated(node.test), [ast.Raise(exc=error, cause=None)])
        guarded = branch(load("__debug__"), [failing])
        return self._statement(at(guarded, node))

    def _if(self, node: ast.If) -> list[ast.stmt]:
        hoist = self._hoist()
        test = hoist.expression(node.test)
        lowered = branch(test, self._block(node.body), self._block(node.orelse) if node.orelse else [])
        return [*hoist.out, at(lowered, node)]

    def _while(self, node: ast.While) -> list[ast.stmt]:
        if not suspends(node.test):
            body = self._block(node.body)
            return [at(ast.While(test=node.test, body=body, orelse=self._orelse(node)), node)]
        with self._ended(node) as (ended, after):
            hoist = self._hoist()
            test = hoist.expression(node.test)
            leave = branch(negated(test), [store(ended, ast.Constant(value=True)), ast.Break()])
            inner = [*hoist.out, at(leave, node)]
            _keep_temporaries(inner, set())
            body = [*inner, *self._block(node.body)]
        forever = ast.While(test=ast.Constant(value=True), body=body, orelse=[])
        return [at(statement, node) for statement in (_unset(ended), forever, *after())]

    @contextmanager
    def _ended(self, node: Any) -> Iterator[tuple[str, Callable[[], list[ast.stmt]]]]:
        """A hidden flag: the loop ended by itself, so that its ``else`` runs."""
        ended = self._temporary()

        def after() -> list[ast.stmt]:
            return [branch(load(ended), self._block(node.orelse))] if node.orelse else []

        with self._holding(*([ended] if node.orelse else [])):
            yield ended, after

    def _orelse(self, node: Any) -> list[ast.stmt]:
        return self._block(node.orelse) if node.orelse else []

    def _for(self, node: ast.For) -> list[ast.stmt]:
        if suspends(node.target):
            raise self._refuse(node.target, "use a plain loop variable and assign from it")
        hoist = self._hoist()
        source = hoist.expression(node.iter)
        if not any(suspends(inner) for inner in node.body):
            lowered = ast.For(target=node.target, iter=source, body=node.body, orelse=self._orelse(node))
            return [*hoist.out, at(lowered, node)]
        name = self._temporary()
        line = ast.Constant(value=node.iter.lineno)
        begin = store(name, call_frame("iterate", source, line))
        with self._holding(name):
            body = self._block(node.body)
        loop = ast.For(target=node.target, iter=load(name), body=body, orelse=self._orelse(node))
        loop.iterator = name  # type: ignore[attr-defined]  # the continuation reads it
        return [*hoist.out, at(begin, node), at(loop, node)]

    def _async_for(self, node: ast.AsyncFor) -> list[ast.stmt]:
        """``async for done in as_completed(…)``: leaving the loop closes the group."""
        hoist = self._hoist()
        source = hoist.expression(node.iter)
        stream, item = self._temporary(), self._temporary()
        begin = store(stream, call_frame("stream", source, ast.Constant(value=node.iter.lineno)))
        with self._holding(stream), self._ended(node) as (ended, after):
            wait = self._suspension(store(item, load(stream)), node, load(stream))
            over = ast.Compare(left=load(item), ops=[ast.Is()], comparators=[ast.Constant(value=None)])
            leave = branch(over, [store(ended, ast.Constant(value=True)), ast.Break()])
            take = ast.Assign(targets=[node.target], value=load(item))
            body = [wait, at(leave, node), at(take, node), *self._block(node.body)]
        loop = ast.While(test=ast.Constant(value=True), body=body, orelse=[])
        close = ast.Expr(value=ast.Await(value=call_frame("close", load(stream))))
        closing = branch(on_frame("live"), [close])
        shielded = ast.Try(body=[loop], handlers=[], orelse=[], finalbody=[closing])
        statements = (begin, _unset(ended), shielded, *after())
        return [*hoist.out, *(at(statement, node) for statement in statements)]

    def _async_with(self, node: ast.AsyncWith) -> list[ast.stmt]:
        """``async with cancel_scope(…)``: the scope is a saved object, entered once."""
        first, *others = node.items
        if not self._is_scope(first.context_expr):
            fix = "only `cancel_scope` can be held across an await; open and close it around each step"
            raise self._refuse(node, fix, "this `async with` cannot be saved")
        hoist = self._hoist()
        context = hoist.expression(first.context_expr)
        scope, error = self._temporary(), self._temporary()
        begin: list[ast.stmt] = [store(scope, call_frame("open_scope", context))]
        inner = node.body
        if others:
            inner = [at(ast.AsyncWith(items=others, body=node.body), node)]
        with self._holding(scope):
            body = self._block(inner)
        if first.optional_vars is not None:
            body = [at(ast.Assign(targets=[first.optional_vars], value=load(scope)), node), *body]
        absorbed = call_frame("absorb", load(scope), load(error))
        handler = ast.ExceptHandler(
            type=on_frame("WaitCancelled"),
            name=error,
            body=[branch(negated(absorbed), [ast.Raise(exc=None, cause=None)])],
        )
        close = branch(on_frame("live"), [ast.Expr(value=call_frame("close_scope", load(scope)))])
        guarded = ast.Try(body=body, handlers=[handler], orelse=[], finalbody=[close])
        return [*hoist.out, *(at(statement, node) for statement in (*begin, guarded))]

    def _with(self, node: ast.With) -> list[ast.stmt]:
        if any(suspends(inner) for inner in node.body):
            fix = "close it before the await and open it again after, or move it into a sub-function without awaits"
            raise self._refuse(node, fix, "a `with` cannot be held across an await")
        if any(suspends(item) for item in node.items[1:]):
            raise self._refuse(node, "await into a variable before the `with`")
        hoist = self._hoist()
        context = hoist.expression(node.items[0].context_expr)
        item = ast.withitem(context_expr=context, optional_vars=node.items[0].optional_vars)
        return [*hoist.out, at(ast.With(items=[item, *node.items[1:]], body=node.body), node)]

    def _try(self, node: ast.Try | ast.TryStar) -> list[ast.stmt]:
        if isinstance(node, ast.TryStar):
            fix = "use `except`, or await outside the `try`"
            raise self._refuse(node, fix, "`except*` cannot stand around an await")
        for inner in node.finalbody:
            if suspends(inner):
                fix = "use `except BaseException` and `raise`, or do it after the `try`"
                raise self._refuse(inner, fix, "`finally` cannot await")
        body = self._block(node.body)
        handlers = [self._handler(handler) for handler in node.handlers]
        if handlers and any(suspends(inner) for inner in node.body):
            handlers.insert(0, _pass_on())
        final: list[ast.stmt] = [branch(on_frame("live"), node.finalbody)] if node.finalbody else []
        orelse = self._orelse(node)
        return [at(ast.Try(body=body, handlers=handlers, orelse=orelse, finalbody=final), node)]

    def _handler(self, node: ast.ExceptHandler) -> ast.ExceptHandler:
        if not any(suspends(inner) for inner in node.body):
            return node
        error = self._temporary()
        with self._holding(error):
            body = self._block(node.body)
        if node.name:
            body = [at(store(error, load(node.name)), node), *body]
        handler = ast.ExceptHandler(type=node.type, name=node.name or error, body=body)
        handler.error = error  # type: ignore[attr-defined]  # the continuation reads it
        return at(handler, node)

    def _match(self, node: ast.Match) -> list[ast.stmt]:
        for case in node.cases:
            if case.guard is not None and suspends(case.guard):
                raise self._refuse(case.guard, "await into a variable before the `match`")
        hoist = self._hoist()
        subject = hoist.expression(node.subject)
        cases = [
            ast.match_case(pattern=case.pattern, guard=case.guard, body=self._block(case.body)) for case in node.cases
        ]
        return [*hoist.out, at(ast.Match(subject=subject, cases=cases), node)]


def _one_subscript(node: ast.Assign) -> bool:
    return len(node.targets) == 1 and isinstance(node.targets[0], ast.Subscript)


def _unset(name: str) -> ast.Assign:
    return store(name, ast.Constant(value=False))


def _pass_on() -> ast.ExceptHandler:
    """Lets a dropped coroutine go, past any handler that would catch everything."""
    again = ast.Raise(exc=None, cause=None)
    return ast.ExceptHandler(type=on_frame("Dropped"), name=None, body=[again])


def _keep_temporaries(statements: list[ast.stmt], after: set[str]) -> None:
    """Note at each suspension which hidden locals a later statement still reads.

    Only what one source statement became is looked at: blocks of the author's
    own have been through this already.
    """
    for statement in reversed(statements):
        point: Point | None = getattr(statement, "point", None)
        if point is not None:
            point.temporaries |= after
        if getattr(statement, "hoisted", False):
            assert isinstance(statement, ast.If)
            _keep_temporaries(statement.body, set(after))
            _keep_temporaries(statement.orelse, set(after))
        for part in _read_parts(statement):
            after |= {
                node.id
                for node in ast.walk(part)
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id[1:].isdigit()
            }


def _read_parts(statement: ast.stmt) -> list[ast.AST]:
    """What a statement evaluates itself, without the blocks of the author inside it."""
    if getattr(statement, "hoisted", False):
        return [statement]
    blocks = ("body", "orelse", "handlers", "finalbody", "cases")
    parts: list[ast.AST] = []
    for name, value in ast.iter_fields(statement):
        if name not in blocks:
            parts += [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, ast.AST)]
    return parts


_ORDER: Final[dict[type[ast.stmt], tuple[str, ...]]] = {
    ast.Assign: ("value", "targets"),
    ast.AnnAssign: ("value", "target"),
    ast.Expr: ("value",),
    ast.Return: ("value",),
    ast.Raise: ("exc", "cause"),
}

_COMPOUND: Final[dict[type[ast.stmt], Any]] = {
    ast.If: Lowering._if,
    ast.While: Lowering._while,
    ast.For: Lowering._for,
    ast.AsyncFor: Lowering._async_for,
    ast.AsyncWith: Lowering._async_with,
    ast.With: Lowering._with,
    ast.Try: Lowering._try,
    ast.TryStar: Lowering._try,
    ast.Match: Lowering._match,
}
