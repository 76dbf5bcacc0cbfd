from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from structlog.stdlib import ProcessorFormatter

import apps.gateway.urls
from apps.catalog import services as catalog
from apps.gateway.signing import TITLES
from apps.gateway.views import signals
from apps.lib.problems import Problem
from tests.integration.gateway.callers import PASSWORD, Person, Signer, paid, problem, refused

ERRORS = Path(__file__).parents[3] / "docs" / "reference" / "errors.md"
#: Codes of declarations that are refused one by one, inside an answer of 200.
DECLARATION_CODES = {"invalid_name", "invalid_schema", "schema_conflict"}


def families(base: type[Problem] = Problem) -> set[type[Problem]]:
    assert apps.gateway.urls, "everything that can be answered is imported"
    below = {each for each in base.__subclasses__() if each.__module__.startswith("apps.")}
    return {base, *below, *(family for each in below for family in families(each))}


def codes() -> set[str]:
    return {each.code for each in families()} | set(TITLES) | DECLARATION_CODES


def documented() -> set[str]:
    return set(re.findall(r"^\| `(\w+)` \|", ERRORS.read_text(), re.MULTILINE))


def test_every_code_is_documented() -> None:
    assert codes() - documented() == set()


def test_every_documented_code_exists() -> None:
    assert documented() - codes() == set()


def test_a_code_means_one_status() -> None:
    statuses: dict[str, set[int]] = {}
    for each in families():
        statuses.setdefault(each.code, set()).add(each.status)
    assert {code: found for code, found in statuses.items() if len(found) > 1} == {}


def test_a_fault_of_the_engine_says_only_where_to_look(orders: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("password=hunter2")

    monkeypatch.setattr(signals, "ingest", fail)
    answer = orders.push(paid("u1"))
    assert refused(answer) == (500, "internal_error")
    assert problem(answer)["error_id"] in problem(answer)["detail"]
    assert b"hunter2" not in answer.content


@pytest.fixture
def written_log() -> Iterator[io.StringIO]:
    """What the log writes, formatted as it is configured."""
    root, text = logging.getLogger(), io.StringIO()
    (formatter,) = {each.formatter for each in root.handlers if isinstance(each.formatter, ProcessorFormatter)}
    handler = logging.StreamHandler(text)
    handler.setFormatter(formatter)
    root.addHandler(handler)
    yield text
    root.removeHandler(handler)


def test_nothing_secret_is_logged(
    orders: Signer, viewer: Person, monkeypatch: pytest.MonkeyPatch, written_log: io.StringIO
) -> None:
    def fail(service: Any, items: Any) -> None:
        key, payload = orders.key, items
        raise RuntimeError(f"{len(key)} {len(payload)}")

    monkeypatch.setattr(signals, "ingest", fail)
    orders.push(paid("u1", order_id="a private name"))
    viewer.get("/api/v1/instances/no-uuid")
    viewer.post("/api/v1/auth/login", {"username": "vera", "password": "a wrong one"})
    logged = written_log.getvalue()
    assert "request.failed" in logged
    assert "RuntimeError" in logged
    secrets = (orders.key, viewer.access, viewer.refresh, PASSWORD, "a wrong one", "a private name")
    assert not [each for each in secrets if each in logged]


def test_a_database_that_is_away_is_503(orders: Signer, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("connection to 10.0.0.1 failed for user engine")

    monkeypatch.setattr(signals, "ingest", away)
    answer = orders.push(paid("u1"))
    assert refused(answer) == (503, "unavailable")
    assert answer.headers["Retry-After"]
    assert b"10.0.0.1" not in answer.content


def test_a_fault_in_a_read_is_a_problem_too(viewer: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(signals, "page", lambda *_: 1 / 0)
    assert refused(viewer.get("/api/v1/signals")) == (500, "internal_error")


def test_an_unreadable_secret_is_a_fault_and_not_a_refusal(orders: Signer, settings: Any) -> None:
    """A wrong ENCRYPTION_KEYS is the engine's: a 401 would have every client throw its key away."""
    settings.ENCRYPTION_KEYS = (b"n" * 32,)
    assert refused(orders.push(paid("u1"))) == (500, "internal_error")
    assert catalog.find_key("key_0") is None


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/api/v1/nowhere", (404, "not_found")),
        ("GET", "/api/", (404, "not_found")),
        ("GET", "/api/v1/instances/no-uuid", (404, "not_found")),
        ("GET", "/api/v1/signals/99999999999999999999999", (404, "not_found")),
        ("DELETE", "/api/v1/instances", (405, "method_not_allowed")),
        ("DELETE", "/api/v1/signals", (405, "method_not_allowed")),
        ("GET", "/api/v1/auth/login", (405, "method_not_allowed")),
        ("POST", "/api/v1/auth/login", (400, "invalid")),
    ],
)
def test_wrong_addresses_and_methods_are_problems(
    viewer: Person, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = viewer.client.generic(method, path, b"nonsense", content_type="application/json", headers=viewer.headers)
    assert refused(answer) == expected


def test_an_answer_that_is_not_json_is_not_acceptable(viewer: Person) -> None:
    answer = viewer.client.get("/api/v1/instances", headers={**viewer.headers, "Accept": "text/csv"})
    assert refused(answer) == (406, "not_acceptable")


def test_other_pages_keep_their_errors(http: Client, db: None) -> None:
    assert http.get("/nowhere").headers["Content-Type"].startswith("text/html")


def test_the_description_of_the_api_is_whole(http: Client, db: None) -> None:
    description = http.get("/api/v1/schema").json()
    operations = {f"{method.upper()} {path}" for path, methods in description["paths"].items() for method in methods}
    assert operations >= {
        "POST /api/v1/services/register",
        "PUT /api/v1/services/{name}/signals",
        "POST /api/v1/signals",
        "GET /api/v1/signals",
        "GET /api/v1/signals/{signal_id}",
        "GET /api/v1/workflows",
        "GET /api/v1/instances",
        "GET /api/v1/instances/{instance_id}",
        "GET /api/v1/instances/{instance_id}/history",
        "GET /api/v1/instances/{instance_id}/waits",
        "GET /api/v1/waits",
    }
    assert set(description["components"]["securitySchemes"]) >= {"person"}
    for methods in description["paths"].values():
        for operation in methods.values():
            assert {"4XX", "5XX"} <= operation["responses"].keys()
