"""Who a process is, and whether it is certainly gone.

A process that died by SIGKILL cannot release its lane. Its lease runs out in the
end; on the same machine there is no need to wait for that.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

_PROC = Path("/proc")


def identity() -> str:
    """Host, boot, pid namespace, pid and start of this process, as one line.

    The start tells a process from a later one with the same pid: a container's
    first process has pid 1 at each restart.
    """
    pid = os.getpid()
    return "|".join([*_neighbourhood(), str(pid), _start_of(pid)])


def is_gone(other: str) -> bool:
    """True if the process of :func:`identity` ``other`` is known to have ended.

    False means no more than not known: a process in another pid namespace
    cannot be seen from here.
    """
    parts = other.split("|")
    host, boot, namespace = _neighbourhood()
    if len(parts) != 5 or parts[0] != host:
        return False
    if parts[1] != boot:
        return True
    return parts[2] == namespace and not _runs(int(parts[3]), parts[4])


def _runs(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as another user
    return not start or _start_of(pid) == start


def _neighbourhood() -> tuple[str, str, str]:
    boot = _text(_PROC / "sys/kernel/random/boot_id")
    try:
        namespace = os.readlink(_PROC / "self/ns/pid")
    except OSError:
        namespace = ""
    return socket.gethostname().replace("|", "_"), boot, namespace


def _start_of(pid: int) -> str:
    # Field 22, counted after the last ")": the program's name may hold blanks and brackets.
    fields = _text(_PROC / str(pid) / "stat").rpartition(")")[2].split()
    if fields[:1] == ["Z"]:
        return "ended"
    return fields[19] if len(fields) > 19 else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
