"""Imports stored sources. Each content is a package of its own, so versions never meet in one process.

`resumable_artifacts.a_<hash>` is a package whose modules come from the stored files. What a module of it imports by
the plain name of a sibling is looked for in its own package first: the module's `__builtins__` carry an `__import__`
that does so, which also holds for imports inside functions and for code compiled later from the same globals.
Rewriting the import statements was tried on paper and dropped: what the kernel compiles from the source would miss it.

The sources go into `linecache` under names that exist on no disk, so that tracebacks and the kernel read the version
that runs and never the file as it was edited since.
"""

from __future__ import annotations

import builtins
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import ModuleType
from typing import Any

from apps.definitions.artifacts import Unloadable, dotted
from resumable import DefinitionError

PREFIX = "resumable_artifacts"
SCHEME = "artifact:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """The files of one content under their module names."""

    name: str
    hash: str
    paths: Mapping[str, str]
    sources: Mapping[str, str]
    builtins: Mapping[str, Any]

    def file(self, module: str) -> str:
        return f"{SCHEME}{self.hash[:12]}/{self.paths[module]}"

    def has(self, module: str) -> bool:
        return module in self.paths or any(name.startswith(f"{module}.") for name in self.paths)


_packages: dict[str, Package] = {}
_lock = threading.RLock()


def load(hash: str, files: Mapping[str, str], module: str) -> ModuleType:
    """The module of this content; the same object each time. Raises Unloadable where its code does."""
    with _lock:
        package = _packages.get(name := package_name(hash))
        if package is None:
            package = _packages[name] = register(name, hash, files)
        try:
            return importlib.import_module(f"{name}.{module}")
        except Exception as error:
            raise unloadable(error) from error


def package_name(hash: str) -> str:
    return f"{PREFIX}.a_{hash[:16]}"


def register(name: str, hash: str, files: Mapping[str, str]) -> Package:
    paths = {dotted(PurePosixPath(path)): path for path in files}
    tops = frozenset(module.partition(".")[0] for module in paths)
    own = {**vars(builtins), "__import__": importer(name, tops)}
    sources = {module: files[path] for module, path in paths.items()}
    return Package(name=name, hash=hash, paths=paths, sources=sources, builtins=own)


def importer(package: str, tops: frozenset[str]) -> Callable[..., Any]:
    """An `__import__` that finds siblings in `package` and everything else where it always is."""

    def find(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        top = name.partition(".")[0]
        if level or top not in tops:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        found = builtins.__import__(f"{package}.{name}", globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[f"{package}.{top}"]

    return find


class Finder(importlib.abc.MetaPathFinder):
    """Finds `resumable_artifacts`, the packages in it, and their modules."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname == PREFIX:
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        head, _, rest = fullname.removeprefix(f"{PREFIX}.").partition(".")
        package = _packages.get(f"{PREFIX}.{head}") if fullname.startswith(f"{PREFIX}.") else None
        if package is None:
            return None
        if not rest or (rest not in package.paths and package.has(rest)):
            return importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        if rest not in package.paths:
            return None
        return importlib.util.spec_from_loader(fullname, Loader(package, rest))


class Loader(importlib.abc.ExecutionLoader):
    """Serves one stored module, with its source."""

    def __init__(self, package: Package, module: str) -> None:
        self.package = package
        self.module = module

    def get_filename(self, fullname: str) -> str:
        return self.package.file(self.module)

    def get_source(self, fullname: str) -> str:
        return self.package.sources[self.module]

    def is_package(self, fullname: str) -> bool:
        return self.package.paths[self.module].endswith("__init__.py")

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        file, source = self.get_filename(module.__name__), self.get_source(module.__name__)
        # Without a modification time linecache never asks the disk about it.
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        vars(module)["__builtins__"] = dict(self.package.builtins)
        exec(compile(source, file, "exec", dont_inherit=True), vars(module))  # noqa: S102 - what importing is


def unloadable(error: BaseException) -> Unloadable:
    """What went wrong in which stored file: the error's own place, else the innermost line of an artifact it passed."""
    path = getattr(error, "path", None) or getattr(error, "filename", None)
    line = getattr(error, "line", None) or getattr(error, "lineno", None)
    if not isinstance(path, str) or not path.startswith(SCHEME) or not isinstance(line, int):
        path, line = innermost(error)
    return Unloadable(said(error), path=path, line=line)


def said(error: BaseException) -> str:
    """The message without the place, which stands beside it."""
    if isinstance(error, SyntaxError):
        return f"syntax error: {error.msg}"
    if isinstance(error, DefinitionError):
        return str(error).removeprefix(f"{error.path}:{error.line}: ")
    return f"{type(error).__name__}: {error}"


def innermost(error: BaseException) -> tuple[str, int | None]:
    place: tuple[str, int | None] = ("", None)
    step = error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename.startswith(SCHEME):
            place = (step.tb_frame.f_code.co_filename, step.tb_lineno)
        step = step.tb_next
    return place


def relative(path: str) -> str:
    """The path inside its folder of a stored file's name."""
    return path.removeprefix(SCHEME).partition("/")[2] if path.startswith(SCHEME) else path


sys.meta_path.append(Finder())
