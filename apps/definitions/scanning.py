"""Reads the workflow folders: what loads, as programs, and what does not, with file and line. Touches no table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

from apps.definitions import loader
from apps.definitions.artifacts import Content, Folder, Unloadable, python_files
from resumable import Workflow
from resumable.kernel import Program


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A workflow class in a file that loads."""

    program: Program
    qualname: str
    content: Content
    path: str


@dataclass(slots=True, kw_only=True)
class Report:
    """What one look at the folders found. `broken` are module names, whose workflows stay as they were."""

    found: list[Found] = field(default_factory=list)
    errors: list[Unloadable] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)


def look(roots: Iterable[Path]) -> Report:
    """Load every file of every folder; one that does not load hinders no other."""
    report = Report()
    for root in roots:
        folder = Folder(root)
        for module in folder.names():
            try:
                report.found += defined(folder, module)
            except Unloadable as error:
                report.errors.append(placed(error, folder, module))
                report.broken.add(module)
    return without_doubles(report)


def defined(folder: Folder, module: str) -> list[Found]:
    content = folder.content(module)
    classes = workflows(loader.load(content.hash, content.files, module))
    return [found(each, content, folder.path(module)) for each in classes]


def workflows(module: ModuleType) -> Iterator[type[Workflow]]:
    """The workflow classes that the module itself defines."""
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, Workflow) and value.__module__ == module.__name__:
            if not value.__resumable__.abstract:
                yield value


def found(each: type[Workflow], content: Content, path: str) -> Found:
    try:
        program = Program(each)
    except Exception as error:
        raise loader.unloadable(error) from error
    return Found(program=program, qualname=each.__qualname__, content=content, path=path)


def placed(error: Unloadable, folder: Folder, module: str) -> Unloadable:
    """The error with the path of the real file instead of the stored one's name."""
    inside = loader.relative(error.path)
    path = folder.path(module) if not inside else inside
    return Unloadable(error.message, path=str(folder.root / path), line=error.line)


def without_doubles(report: Report) -> Report:
    """Of two files that define one name the first in order counts; the other is an error."""
    first: dict[str, Found] = {}
    for each in report.found:
        kept = first.setdefault(each.program.name, each)
        if kept is not each:
            message = f"the workflow {each.program.name!r} is already defined in {kept.path}; rename one of them"
            report.errors.append(Unloadable(message, path=each.path))
    report.found = list(first.values())
    return report


def fingerprint(roots: Iterable[Path]) -> tuple[tuple[str, int, int], ...]:
    """Changes when any file of the folders does; costs no reading."""
    rows = []
    for root in roots:
        for path in python_files(root):
            try:
                about = (root / path).stat()
            except FileNotFoundError:
                continue
            rows.append((str(root / path), about.st_mtime_ns, about.st_size))
    return tuple(rows)
