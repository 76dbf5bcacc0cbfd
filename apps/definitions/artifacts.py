"""Collects a workflow file together with the files beside it that it imports: the content that a version is pinned to."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath


class Unloadable(Exception):
    """A workflow file cannot be used as it is. `path` and `line` say where, the message what to do."""

    def __init__(self, message: str, *, path: str, line: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.line = line


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file and its siblings as they are now. `module` is the dotted name of the file inside the folder."""

    module: str
    files: Mapping[str, str]
    hash: str


class Folder:
    """One folder of WORKFLOW_PATHS. Module names begin in it, as if it stood on `sys.path`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules = {dotted(path): path for path in python_files(root)}

    def names(self) -> list[str]:
        return sorted(self.modules)

    def path(self, module: str) -> str:
        return str(self.root / self.modules[module])

    def content(self, module: str) -> Content:
        """The module and, transitively, the modules of this folder that it imports. Raises Unloadable."""
        files: dict[str, str] = {}
        pending = [module]
        while pending:
            name = pending.pop()
            relative = self.modules[name].as_posix()
            if relative not in files:
                files[relative] = self._read(name)
                pending += self._siblings(name, files[relative])
        return Content(module=module, files=files, hash=digest(files))

    def _read(self, module: str) -> str:
        try:
            return (self.root / self.modules[module]).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise Unloadable(f"the file cannot be read: {error}", path=self.path(module)) from error

    def _siblings(self, module: str, source: str) -> list[str]:
        package = self.modules[module].name == "__init__.py"
        try:
            wanted = imported(source, module, package)
        except SyntaxError as error:
            raise Unloadable(f"syntax error: {error.msg}", path=self.path(module), line=error.lineno) from error
        return [name for name in wanted if name in self.modules]


def python_files(root: Path) -> list[Path]:
    """Paths inside `root`, without hidden folders and caches."""
    found = (path.relative_to(root) for path in root.rglob("*.py"))
    return sorted(path for path in found if not any(part.startswith((".", "__pycache__")) for part in path.parts))


def dotted(path: PurePath) -> str:
    """`shop/orders.py` → `shop.orders`, `shop/__init__.py` → `shop`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def digest(files: Mapping[str, str]) -> str:
    """The content hash. Lengths keep two files and one file that looks like both apart."""
    total = hashlib.sha256()
    for path, source in sorted(files.items()):
        for part in (path.encode(), source.encode("utf-8", "surrogatepass")):
            total.update(len(part).to_bytes(8))
            total.update(part)
    return total.hexdigest()


@lru_cache(maxsize=1024)
def imported(source: str, module: str, package: bool) -> tuple[str, ...]:
    """Every module name that `source` may import from its folder, and the packages around each."""
    names = set(enclosing(module))
    for node in ast.walk(ast.parse(source, module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(_from(node, module, package))
    return tuple(sorted({outer for name in names for outer in (*enclosing(name), name)}))


def _from(node: ast.ImportFrom, module: str, package: bool) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        parts = module.split(".") if package else module.split(".")[:-1]
        kept = parts[: len(parts) - (node.level - 1)]
        base = ".".join([*kept, *([node.module] if node.module else [])])
    if base:
        yield base
    yield from (f"{base}.{alias.name}" if base else alias.name for alias in node.names)


def enclosing(name: str) -> list[str]:
    """The packages around a dotted name, outermost first."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts))]
