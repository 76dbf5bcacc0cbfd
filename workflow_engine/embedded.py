"""What the engine brings along when nothing is configured: its secrets, SQLite, and a broker on a Unix socket."""

from __future__ import annotations

import sys
import tempfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from apps.lib.conf import Conf
from workflow_engine import env

# Two connections that write and checkpoint at the same moment can corrupt a WAL database in SQLite 3.7.0 to 3.51.2,
# but for the lines that got the correction.
WAL_SAFE = (3, 51, 3)
WAL_SAFE_LINES = {(3, 44): 6, (3, 50): 7}

PRAGMAS = (
    "PRAGMA synchronous=FULL",  # NORMAL may take back a commit after a power cut, and 202 was answered for it
    "PRAGMA foreign_keys=ON",
    "PRAGMA mmap_size=0",
    "PRAGMA journal_size_limit=67108864",
    "PRAGMA cache_size=-20000",
)


def secret(name: str, folder: Path, *, made: bool) -> str:
    """The secret in the environment; without one, `made` allows one that is kept in `folder`."""
    given = env.text(name)
    if given:
        return given
    if not made:
        raise ImproperlyConfigured(
            f"{name} is not set. It is made up only for the embedded database; with DATABASE_URL give it one: "
            "python -c 'import base64, os; print(base64.urlsafe_b64encode(os.urandom(32)).decode())'"
        )
    return env.kept_secret(folder / name.removeprefix("WORKFLOW_").lower())


def encryption_keys(folder: Path, *, made: bool) -> tuple[bytes, ...]:
    raw = secret("WORKFLOW_ENCRYPTION_KEYS", folder, made=made)
    try:
        return env.to_keys(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"WORKFLOW_ENCRYPTION_KEYS: {error}") from error


def default_database(folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return env.database(f"sqlite:///{folder / 'engine.sqlite3'}")


def broker_url(folder: Path) -> str:
    return f"redis+socket://{broker_socket(folder)}"


def broker_socket(folder: Path) -> Path:
    """Where the embedded broker listens: in `folder`, or under a short path where the system allows no long one."""
    socket = folder / "broker" / "valkey.sock"
    if len(str(socket)) <= env.SOCKET_PATH_LIMIT:
        return socket
    short = blake2b(str(folder).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f"resumable-{short}" / "valkey.sock"


def visibility_seconds(conf: Conf) -> int:
    """After this long Celery gives a message to a second worker; a task must be over before."""
    if conf.task_soft_seconds >= conf.task_hard_seconds:
        raise ImproperlyConfigured("WORKFLOW_TASK_SOFT_SECONDS must be less than WORKFLOW_TASK_HARD_SECONDS.")
    return max(300, 5 * int(conf.task_hard_seconds))


def database(config: dict[str, Any], conf: Conf) -> dict[str, Any]:
    """The database with the options that the engine counts on."""
    if config["ENGINE"].endswith("sqlite3"):
        return sqlite(config)
    return postgres(config, conf)


def postgres(config: dict[str, Any], conf: Conf) -> dict[str, Any]:
    limits = {
        "statement_timeout": conf.statement_seconds,
        "lock_timeout": conf.lock_seconds,
        # A turn that hangs inside its transaction is cut by this, and its instance is free again.
        "idle_in_transaction_session_timeout": conf.idle_seconds,
    }
    options = {
        "connect_timeout": 5,
        "tcp_user_timeout": 15_000,
        "keepalives_idle": 30,
        "application_name": "resumable",
        "options": " ".join(f"-c {name}={int(seconds * 1000)}" for name, seconds in limits.items()),
    }
    return config | {
        # No pool: Celery closes it after every task.
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options | config.get("OPTIONS", {}),
    }


def sqlite(config: dict[str, Any]) -> dict[str, Any]:
    journal = "WAL" if use_safe_sqlite() else "TRUNCATE"
    return config | {
        "CONN_MAX_AGE": None,
        "OPTIONS": {
            # A transaction that begins by reading and then writes fails at once when another wrote in between,
            # without waiting for the timeout.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            "init_command": "; ".join((f"PRAGMA journal_mode={journal}", *PRAGMAS)),
        },
    }


def use_safe_sqlite() -> bool:
    """Whether WAL is safe for several processes; puts a newer SQLite in the place of an old one if it is installed."""
    import sqlite3

    if wal_safe(sqlite3.sqlite_version_info):
        return True
    try:
        import pysqlite3
        from pysqlite3 import dbapi2
    except ImportError:
        return False
    sys.modules["sqlite3"] = pysqlite3
    sys.modules["sqlite3.dbapi2"] = dbapi2
    return wal_safe(pysqlite3.sqlite_version_info)


def wal_safe(version: tuple[int, ...]) -> bool:
    if version[:3] >= WAL_SAFE:
        return True
    corrected = WAL_SAFE_LINES.get((version[0], version[1]))
    return corrected is not None and version[2] >= corrected
