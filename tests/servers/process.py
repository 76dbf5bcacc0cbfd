"""A server process that dies with the tests and leaves nothing behind."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.waiting import until

START_SECONDS = 30.0
#: Short, and open to every user's passage: a socket's path is limited, and a server may run as somebody else.
FOLDERS = (Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))


class CannotStart(Exception):
    """No server could be had; the message says what was looked for."""


def private_folder(name: str, owner: pwd.struct_passwd | None = None) -> Path:
    """A new folder of mode 700; no other folder's permissions are touched."""
    places = (Path(tempfile.gettempdir()), *FOLDERS)
    place = next((each for each in places if each.is_dir() and is_open(each)), None)
    if place is None:
        raise CannotStart(f"none of {', '.join(map(str, places))} can be entered by every user")
    folder = Path(tempfile.mkdtemp(prefix=f"resumable-{name}-", dir=place))
    if owner is not None:
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    return folder


def is_open(folder: Path) -> bool:
    """Whether any user may pass through `folder` and all folders above it."""
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.resolve().parents))


def identity(owner: pwd.struct_passwd | None) -> dict[str, Any]:
    if owner is None:
        return {}
    return {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for `ready`; CannotStart with the end of the log when the process ends or takes too long."""
    try:
        until(lambda: process.poll() is not None or ready(), seconds=START_SECONDS)
    except AssertionError as error:
        raise CannotStart(f"{process.args!r} does not answer: {error}\n{tail(log)}") from error
    if process.poll() is not None:
        raise CannotStart(f"{process.args!r} did not start:\n{tail(log)}")


def tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


def remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
