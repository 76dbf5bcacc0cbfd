"""Finds in workflow files what would fail later, or wait for ever, without importing them.

Used by ``wf check``, by flake8 (codes ``WF…``) and by the engine's own checks.

======  ==================================================================
WF001   ``match()`` without criteria
WF002   a wait, timer, group or sub-function that nobody awaits
WF003   an ``__init__`` on a workflow
WF004   a call that blocks the worker, or an await that cannot be resumed
WF005   something around an await that cannot be saved there
WF006   two workflows with one name
WF007   a wait whose criteria never index
WF008   a value that cannot be saved is held over an await
======  ==================================================================
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final

from resumable.compiler.lower import Lowering
from resumable.compiler.names import own_nodes
from resumable.compiler.prepare import Prepared
from resumable.criteria import LOOKUPS
from resumable.errors import DefinitionError

_BLOCKING: Final = {
    "time.sleep": "await sleep(…) instead",
    "asyncio.sleep": "await resumable.sleep(…) instead",
    "input": "wait for a signal instead",
    "subprocess.run": "run it outside the workflow",
    "urllib.request.urlopen": "call it outside the workflow",
    "requests.get": "call it outside the workflow",
    "requests.post": "call it outside the workflow",
    "httpx.get": "call it outside the workflow",
    "httpx.post": "call it outside the workflow",
}
_UNSAVED: Final = {
    "open": "a file",
    "socket.socket": "a socket",
    "threading.Lock": "a lock",
    "threading.Thread": "a thread",
    "iter": "an iterator",
    "map": "a lazy iterator",
    "filter": "a lazy iterator",
    "zip": "a lazy iterator",
    "enumerate": "a lazy iterator",
    "reversed": "a lazy iterator",
}
_WAITS: Final = frozenset(("match", "any"))
_MAKERS: Final = frozenset(("sleep", "sleep_until", "all_of", "any_of", "at_least", "as_completed", "wait_for"))


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """One place in a file that needs a look."""

    path: str
    line: int
    column: int
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column + 1}: {self.code} {self.message}"


def check_paths(paths: Iterable[Path]) -> list[Finding]:
    """Findings in these files and in all ``.py`` files of these folders."""
    found: list[Finding] = []
    names: dict[str, str] = {}
    for path in sorted(_files(paths)):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        except (SyntaxError, UnicodeDecodeError) as error:
            line = getattr(error, "lineno", None) or 1
            found.append(Finding(path=str(path), line=line, column=0, code="WF005", message=f"cannot be read: {error}"))
            continue
        found += check_tree(tree, str(path), names)
    return sorted(found)


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from (each for each in path.rglob("*.py") if not any(p.startswith(".") for p in each.parts))
        else:
            yield path


def check_tree(tree: ast.Module, path: str, names: dict[str, str] | None = None) -> list[Finding]:
    """Findings in one parsed file. ``names`` remembers workflows across files."""
    return sorted(_File(tree, path, {} if names is None else names).findings())


class _File:
    def __init__(self, tree: ast.Module, path: str, names: dict[str, str]) -> None:
        self._tree = tree
        self._path = path
        self._names = names
        self._signals = _subclasses(tree, "Signal")

    def findings(self) -> Iterator[Finding]:
        workflows = _subclasses(self._tree, "Workflow")
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ClassDef) and node.name in workflows:
                yield from self._workflow(node)
            elif isinstance(node, ast.AsyncFunctionDef) and _has_decorator(node, "resumable"):
                yield from self._function(node, frozenset())
            if isinstance(node, ast.Call):
                yield from self._match(node)

    def _at(self, node: ast.AST, code: str, message: str) -> Finding:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
        return Finding(path=self._path, line=line, column=column, code=code, message=message)

    def _workflow(self, node: ast.ClassDef) -> Iterator[Finding]:
        name = _given_name(node)
        place = f"{self._path}:{node.lineno}"
        first = self._names.setdefault(name, place)
        if first != place:
            yield self._at(node, "WF006", f"the workflow {name!r} is defined in {first} too; give one of them name=…")
        functions = [part for part in node.body if isinstance(part, ast.AsyncFunctionDef)]
        methods = frozenset(function.name for function in functions)
        for part in node.body:
            if isinstance(part, ast.FunctionDef) and part.name == "__init__":
                yield self._at(part, "WF003", "a workflow has no __init__: give state fields default values")
        for function in functions:
            yield from self._function(function, methods)

    def _function(self, node: ast.AsyncFunctionDef, methods: frozenset[str]) -> Iterator[Finding]:
        try:
            prepared = Prepared(node, "", self._path)
            Lowering(prepared.tree, path=self._path, shared=set(), is_scope=_opens_scope)
        except DefinitionError as error:
            message = str(error).removeprefix(f"{error.path}:{error.line}: ")
            yield Finding(path=self._path, line=error.line, column=0, code="WF005", message=message)
        last = max((n.lineno for n in own_nodes(node) if isinstance(n, ast.Await)), default=0)
        for part in own_nodes(node):
            if isinstance(part, ast.Call) and (fix := _BLOCKING.get(_dotted(part.func))):
                yield self._at(part, "WF004", f"{_dotted(part.func)}() blocks the worker or cannot be resumed: {fix}")
            if isinstance(part, ast.Expr) and isinstance(part.value, ast.Call):
                yield from self._ignored(part.value, methods)
            if isinstance(part, ast.Assign) and part.lineno < last:
                yield from self._held(part)

    def _ignored(self, call: ast.Call, methods: frozenset[str]) -> Iterator[Finding]:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        own = isinstance(call.func, ast.Attribute) and _dotted(call.func.value) in ("self", "cls") and name in methods
        if (
            own
            or _dotted(call.func).removeprefix("resumable.") in _MAKERS
            or (name in _WAITS and self._is_signal(call))
        ):
            yield self._at(call, "WF002", f"{_dotted(call.func)}(…) does nothing until it is awaited")

    def _held(self, node: ast.Assign) -> Iterator[Finding]:
        value = node.value
        what = _UNSAVED.get(_dotted(value.func)) if isinstance(value, ast.Call) else None
        if isinstance(value, ast.GeneratorExp):
            what = "a generator"
        if what is not None and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            yield self._at(node, "WF008", f"{name!r} is {what}, which cannot be saved at a later await")

    def _match(self, call: ast.Call) -> Iterator[Finding]:
        if not isinstance(call.func, ast.Attribute) or call.func.attr not in _WAITS or not self._is_signal(call):
            return
        given = bool(call.args or call.keywords)
        if call.func.attr == "match" and not given:
            yield self._at(call, "WF001", "match() without criteria; to accept every signal say any()")
        elif not call.args and not any(_is_equality(keyword.arg) for keyword in call.keywords):
            yield self._at(
                call, "WF007", "no equality among the lookups: every signal is compared with every such wait"
            )

    def _is_signal(self, call: ast.Call) -> bool:
        owner = call.func.value if isinstance(call.func, ast.Attribute) else None
        return isinstance(owner, ast.Name) and owner.id in self._signals


def _subclasses(tree: ast.Module, base: str) -> set[str]:
    """Names of the classes of a file that derive from ``base``, also by way of each other."""
    found = {base}
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    for _ in classes:
        found |= {c.name for c in classes if any(_dotted(b).rpartition(".")[2] in found for b in c.bases)}
    return found - {base}


def _given_name(node: ast.ClassDef) -> str:
    for keyword in node.keywords:
        if keyword.arg == "name" and isinstance(keyword.value, ast.Constant):
            return str(keyword.value.value)
    return node.name


def _has_decorator(node: ast.AsyncFunctionDef, name: str) -> bool:
    return any(_dotted(decorator).rpartition(".")[2] == name for decorator in node.decorator_list)


def _opens_scope(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and _dotted(node.func).rpartition(".")[2] == "cancel_scope"


def _dotted(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def _is_equality(name: str | None) -> bool:
    return name is None or name.rpartition("__")[2] not in LOOKUPS or name.endswith("__exact")


class Flake8:
    """The flake8 plugin."""

    name: ClassVar[str] = "resumable"
    version: ClassVar[str] = "1"

    def __init__(self, tree: ast.Module, filename: str = "") -> None:
        self._tree = tree
        self._filename = filename

    def run(self) -> Iterator[tuple[int, int, str, type]]:
        for finding in check_tree(self._tree, self._filename):
            yield finding.line, finding.column, f"{finding.code} {finding.message}", type(self)
