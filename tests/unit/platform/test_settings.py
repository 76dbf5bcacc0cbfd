from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.lib.conf import SETTINGS, conf
from workflow_engine import embedded, env, reference

ROOT = Path(__file__).parents[3]


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    values: dict[str, str] = {}
    monkeypatch.setattr(env, "environ", values)
    return values


def test_every_setting_is_documented() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run `make docs` and commit docs/reference/settings.md"


def test_without_an_environment_every_setting_has_its_default(environ: dict[str, str]) -> None:
    table = env.table()

    assert {each.field: getattr(table, each.field) for each in SETTINGS} == {
        each.field: each.default for each in SETTINGS
    }


def test_a_setting_is_read_by_its_type(environ: dict[str, str], tmp_path: Path) -> None:
    environ |= {
        "WORKFLOW_MATCH_BATCH": "7",
        "WORKFLOW_SWEEP_SECONDS": "0.5",
        "WORKFLOW_FLOWER": "yes",
        "WORKFLOW_LOG_FORMAT": "json",
        "WORKFLOW_HOSTS": "a.example, b.example",
        "WORKFLOW_PATHS": os.pathsep.join((str(tmp_path), "")),
    }

    table = env.table()

    assert (table.match_batch, table.sweep_seconds, table.flower, table.log_format) == (7, 0.5, True, "json")
    assert table.hosts == ("a.example", "b.example")
    assert table.paths == (tmp_path,)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("WORKFLOW_MATCH_BATCH", "many", "whole number"),
        ("WORKFLOW_MATCH_BATCH", "٣", "whole number"),
        ("WORKFLOW_MATCH_BATCH", "0", "at least 1 signals"),
        ("WORKFLOW_KEY_DAYS", "7", "at least 8 days"),
        ("WORKFLOW_SWEEP_SECONDS", "-1", "positive number of seconds"),
        ("WORKFLOW_SWEEP_SECONDS", "nan", "positive number of seconds"),
        ("WORKFLOW_FLOWER", "perhaps", "one of 1, 0, true"),
        ("WORKFLOW_LOG_FORMAT", "xml", "one of console, json"),
        ("WORKFLOW_PATHS", "/no/such/folder", "no such folder: /no/such/folder"),
    ],
)
def test_a_bad_value_is_refused_with_the_variable_and_the_reason(
    environ: dict[str, str], name: str, value: str, why: str
) -> None:
    environ[name] = value

    with pytest.raises(ImproperlyConfigured) as refused:
        env.table()

    assert name in str(refused.value)
    assert why in str(refused.value)


def test_a_test_can_replace_a_setting(workflow_settings: Callable[..., None]) -> None:
    workflow_settings(match_batch=2)

    assert conf.match_batch == 2


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "postgresql://ann:p%40ss@db.example:5433/engine?sslmode=require",
            {"NAME": "engine", "USER": "ann", "PASSWORD": "p@ss", "HOST": "db.example", "PORT": "5433"},
        ),
        ("postgres://postgres@/engine?host=%2Fvar%2Frun", {"NAME": "engine", "USER": "postgres", "HOST": "/var/run"}),
        ("sqlite:////srv/engine.sqlite3", {"NAME": "/srv/engine.sqlite3"}),
    ],
)
def test_a_database_url_is_taken_apart(url: str, expected: dict[str, Any]) -> None:
    config = env.database(url)

    assert {name: config[name] for name in expected} == expected


def test_options_of_a_database_url_reach_the_driver() -> None:
    config = embedded.database(env.database("postgresql://h/engine?sslmode=require"), conf)

    assert config["OPTIONS"]["sslmode"] == "require"
    assert "idle_in_transaction_session_timeout=30000" in config["OPTIONS"]["options"]


@pytest.mark.parametrize("url", ["mysql://h/x", "postgresql://h", ""])
def test_another_database_url_is_refused(environ: dict[str, str], url: str) -> None:
    environ["DATABASE_URL"] = url

    with pytest.raises(ImproperlyConfigured, match="DATABASE_URL"):
        env.parsed("DATABASE_URL", env.database, {})


@pytest.mark.parametrize(
    ("url", "kombu", "client"),
    [
        ("redis://h:6379/1", "redis://h:6379/1", "redis://h:6379/1"),
        ("valkey://h:6379/1", "redis://h:6379/1", "redis://h:6379/1"),
        ("unix:///run/v.sock?db=2", "redis+socket:///run/v.sock?virtual_host=2", "unix:///run/v.sock?db=2"),
        ("redis+socket:///run/v.sock", "redis+socket:///run/v.sock", "unix:///run/v.sock"),
    ],
)
def test_a_broker_url_is_spelled_for_both_who_read_it(url: str, kombu: str, client: str) -> None:
    assert env.broker(url) == kombu
    assert env.redis(url) == client


def test_a_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secret_key"

    first = env.kept_secret(path)

    assert env.kept_secret(path) == first
    assert len(first) >= 40
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret_key"]


def test_of_two_who_make_a_secret_the_first_wins(tmp_path: Path) -> None:
    env.write_once(tmp_path / "secret", "first")
    env.write_once(tmp_path / "secret", "second")

    assert (tmp_path / "secret").read_text() == "first"


def test_a_database_without_secrets_does_not_start(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if name != "SECRET_KEY"}
    environ |= {"DATABASE_URL": f"sqlite:///{tmp_path}/x.sqlite3", "DJANGO_SETTINGS_MODULE": "workflow_engine.settings"}

    done = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )

    assert done.returncode != 0
    assert "SECRET_KEY is not set" in done.stderr


@pytest.mark.parametrize(
    ("key", "why"), [("c2hvcnQ=", "must hold 32 bytes, this one holds 5"), ("é", "base64"), ("", "at least one")]
)
def test_a_bad_encryption_key_is_refused(key: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        env.to_keys(key)


def test_a_broker_in_a_deep_folder_gets_a_short_socket() -> None:
    deep = Path("/srv") / ("deep/" * 30)

    assert embedded.broker_socket(Path("/srv/var")) == Path("/srv/var/broker/valkey.sock")
    assert len(str(embedded.broker_socket(deep))) <= env.SOCKET_PATH_LIMIT
    assert embedded.broker_socket(deep) == embedded.broker_socket(deep)


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
    ],
)
def test_wal_is_used_only_where_sqlite_has_the_correction(version: tuple[int, int, int], safe: bool) -> None:
    assert embedded.wal_safe(version) is safe


def test_security_settings_are_on_by_default(settings: Any) -> None:
    assert settings.DEBUG is False
    assert settings.SESSION_COOKIE_HTTPONLY is True
    assert settings.X_FRAME_OPTIONS == "DENY"
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_WORKER_ENABLE_REMOTE_CONTROL is False
