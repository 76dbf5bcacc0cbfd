"""The programs of this process: each version is loaded once, from its stored source, and kept."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from apps.definitions import loader
from apps.definitions.artifacts import Unloadable
from apps.definitions.models import Version
from resumable.kernel import Program

if TYPE_CHECKING:
    from collections.abc import Mapping

_programs: dict[int, Program] = {}
_lock = threading.RLock()


def program(version_id: int) -> Program:
    """What runs the instances of this version. Raises Unloadable when its source does not load here."""
    found = _programs.get(version_id)
    if found is not None:
        return found
    with _lock:
        if version_id not in _programs:
            version = Version.objects.select_related("artifact").get(pk=version_id)
            _programs[version_id] = built(
                version.artifact.hash, version.artifact.files, version.module, version.qualname
            )
        return _programs[version_id]


def forget(version_id: int) -> None:
    """Drop what is kept for a version that is new: SQLite gives an id again whose transaction was rolled back."""
    _programs.pop(version_id, None)


def built(hash: str, files: Mapping[str, str], module: str, qualname: str) -> Program:
    found = getattr(loader.load(hash, files, module), qualname, None)
    if found is None:
        raise Unloadable(f"there is no class {qualname} in {module}", path=module)
    try:
        return Program(found)
    except Exception as error:
        raise loader.unloadable(error) from error
