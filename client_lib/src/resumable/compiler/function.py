"""A resumable function: its points, and the code that continues it from each of them."""

from __future__ import annotations
import __future__

import ast
import copy
from collections.abc import Callable, Mapping
from functools import reduce
from types import CellType, CodeType, FunctionType
from typing import Any, Final

from resumable.compiler.build import FRAME, MARK, at
from resumable.compiler.continuation import Rest, compiled_function, restoring
from resumable.compiler.lower import Lowering
from resumable.compiler.names import Closure, bound_names, mangle, shared_names
from resumable.compiler.points import Point
from resumable.compiler.prepare import Prepared
from resumable.compiler.source import function_tree
from resumable.errors import DefinitionError, SnapshotError

#: The point before the first statement.
ENTRY: Final = ""

_FUTURES: Final = reduce(
    lambda flags, name: flags | getattr(__future__, name).compiler_flag, __future__.all_feature_names, 0
)


class Function:
    """One ``async def`` whose running instances can be saved and continued."""

    def __init__(self, python: FunctionType, module: str, name: str) -> None:
        """``module`` and ``name`` are where the function's wrapper is found again."""
        self.python = python
        #: What authors call; set by whoever made it.
        self.wrapper: FunctionType = python
        self.name = name
        self.module = module
        self.path = python.__code__.co_filename
        owner_name = self._owner_name = _class_around(python)
        tree = function_tree(python)
        prepared = Prepared(tree, f"{self.module}:{self.name}", self.path)
        self._outer = prepared.outer
        self._closures = prepared.closures
        foreign = {name for node in prepared.outer for name in node.names}
        bound = bound_names(prepared.tree) - foreign
        shared = shared_names(prepared.tree) - foreign
        lowering = Lowering(prepared.tree, path=self.path, shared=shared, is_scope=self._is_scope)
        self._body = lowering.body
        self.points: Mapping[str, Point] = lowering.points
        #: Locals that live in cells because closures share them, by their real names.
        self.cells = frozenset(mangle(name, owner_name) for name in shared)
        self.locals = frozenset(mangle(name, owner_name) for name in bound)
        self._codes: dict[str, CodeType] = {}
        python.__globals__.setdefault(MARK, mark)
        # An error in what the compiler makes shows when the class is created.
        self._code(ENTRY)

    def __repr__(self) -> str:
        return f"<resumable {self.module}:{self.name}>"

    def point(self, key: str) -> Point:
        try:
            return self.points[key]
        except KeyError:
            raise SnapshotError(
                f"{self.name} in {self.path} has no await at {key}: the snapshot is of another source"
            ) from None

    def saved_names(self, key: str) -> frozenset[str]:
        """Plain locals, author's and hidden, that a snapshot at this point holds."""
        return (self.locals - self.cells) | self.point(key).temporaries

    def open(self, frame: Any, cells: dict[str, CellType]) -> Any:
        """A coroutine at ``frame.point``, to be started with ``send(None)``."""
        code = self._code(frame.point)
        closure = tuple(cells.get(name) or self._outer_cell(name, cells) for name in code.co_freevars)
        return FunctionType(code, self.python.__globals__, self.python.__name__, None, closure)(frame)

    def closure(self, number: int, cells: dict[str, CellType]) -> FunctionType:
        """A closure of this function made again, around the given cells."""
        names = sorted({*cells, *self.python.__code__.co_freevars} - {"__class__"})
        node = _without_defaults(self._closures[number])
        statement: ast.stmt = at(ast.Return(value=node), node) if isinstance(node, ast.Lambda) else node
        arguments = [ast.arg(arg=name) for name in names]
        maker = _plain_function("@maker", arguments, [statement])
        code = _inner_code(self._compile([maker]), "@maker")
        inner = next(const for const in code.co_consts if isinstance(const, CodeType))
        closure = tuple(cells.get(name) or self._outer_cell(name, cells) for name in inner.co_freevars)
        made = FunctionType(inner, self.python.__globals__, inner.co_name, None, closure)
        return mark(f"{self.module}:{self.name}", number)(made)

    def _outer_cell(self, name: str, cells: dict[str, CellType]) -> CellType:
        """A variable of the scope around the function, or an own one not yet bound."""
        if name in self.cells:
            return cells.setdefault(name, CellType())
        given = dict(zip(self.python.__code__.co_freevars, self.python.__closure__ or (), strict=True))
        return given.get(name) or CellType()

    def _code(self, key: str) -> CodeType:
        code = self._codes.get(key)
        if code is None:
            code = self._codes[key] = self._continuation(key)
        return code

    def _continuation(self, key: str) -> CodeType:
        hidden: set[str] = set()
        body = self._body
        if key != ENTRY:
            point = self.point(key)
            hidden, body = point.temporaries, Rest(body, point).body
        plain = sorted(self.locals - self.cells) + sorted(hidden)
        outer: list[ast.stmt] = [*self._outer]
        if self.cells:
            outer.append(ast.Nonlocal(names=sorted(self.cells)))
        first = self.python.__code__.co_firstlineno
        name = self.python.__name__
        function = compiled_function(name, first, outer, [*restoring(plain), *body])
        free = {*self.cells, *self.python.__code__.co_freevars} - {"__class__"}
        factory = _plain_function("@factory", [ast.arg(arg=name) for name in sorted(free)], [function])
        code = _inner_code(self._compile([factory]), name)
        return code.replace(co_qualname=self.name)

    def _compile(self, body: list[ast.stmt]) -> CodeType:
        if self._owner_name is not None:
            # Inside a class body, so that private names and ``__class__`` mean what they should.
            wrapper = ast.ClassDef(name=self._owner_name, bases=[], keywords=[], body=body, decorator_list=[])
            body = [at(wrapper, body[0])]
        module = ast.Module(body=body, type_ignores=[])
        flags = self.python.__code__.co_flags & _FUTURES
        try:
            code: CodeType = compile(module, self.path, "exec", flags=flags, dont_inherit=True)
        except SyntaxError as error:
            raise DefinitionError(str(error), path=self.path, line=error.lineno or 0) from error
        return code

    def _is_scope(self, node: ast.expr) -> bool:
        """Whether an ``async with`` opens a ``cancel_scope``, under whatever name it was imported."""
        if not isinstance(node, ast.Call):
            return False
        value = self._lookup(node.func)
        return bool(getattr(value, "__resumable_scope__", False))

    def _lookup(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Attribute):
            return getattr(self._lookup(node.value), node.attr, None)
        if not isinstance(node, ast.Name):
            return None
        if node.id in self.python.__code__.co_freevars:
            cell = self._outer_cell(node.id, {})
            return getattr(cell, "cell_contents", None)
        return self.python.__globals__.get(node.id)


def _class_around(function: FunctionType) -> str | None:
    """The class whose body holds the function: private names are mangled with it."""
    before = function.__qualname__.rpartition(".")[0]
    around = before.rpartition(".")[2]
    return None if around in ("", "<locals>") else around


def mark(reference: str, number: int) -> Callable[[FunctionType], FunctionType]:
    """Note on a closure which one of which function it is, so that it can be saved."""

    def apply(closure: FunctionType) -> FunctionType:
        closure.__dict__["@closure"] = (reference, number)
        return closure

    return apply


def _without_defaults(node: Closure) -> Closure:
    """The definition alone: what else its statement evaluates was evaluated when it ran."""
    bare = copy.deepcopy(node)
    bare.args.defaults = []
    bare.args.kw_defaults = [None for _ in node.args.kwonlyargs]
    for argument in ast.walk(bare.args):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    if isinstance(bare, ast.FunctionDef):
        bare.returns, bare.decorator_list = None, []
    return bare


def _plain_function(name: str, arguments: list[ast.arg], body: list[ast.stmt]) -> ast.FunctionDef:
    given = ast.arguments(posonlyargs=[], args=arguments, kwonlyargs=[], kw_defaults=[], defaults=[])
    function = ast.FunctionDef(name=name, args=given, body=body, decorator_list=[])
    return at(function, body[0])


def _inner_code(code: CodeType, name: str) -> CodeType:
    """The code object called ``name`` inside a compiled module."""
    for const in code.co_consts:
        if isinstance(const, CodeType):
            if const.co_name == name and (name.startswith("@") or FRAME in const.co_varnames):
                return const
            try:
                return _inner_code(const, name)
            except LookupError:
                continue
    raise LookupError(name)
