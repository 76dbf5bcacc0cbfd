"""The API is called with what its description allows and with what it does not, and must answer as described."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test import Client
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.gateway.callers import Person
from tests.integration.gateway.shop import PLACED, work

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


OPERATIONS = [
    "GET /api/v1/instances",
    "GET /api/v1/instances/{instance_id}",
    "GET /api/v1/instances/{instance_id}/history",
    "GET /api/v1/instances/{instance_id}/waits",
    "GET /api/v1/signals",
    "GET /api/v1/signals/{signal_id}",
    "GET /api/v1/waits",
    "GET /api/v1/workflows",
    "POST /api/v1/instances/{instance_id}/cancel",
    "POST /api/v1/instances/{instance_id}/patch",
    "POST /api/v1/instances/{instance_id}/pause",
    "POST /api/v1/instances/{instance_id}/resume",
    "POST /api/v1/instances/{instance_id}/retry",
    "POST /api/v1/instances/{instance_id}/rewind",
    "POST /api/v1/services/register",
    "POST /api/v1/signals",
    "POST /api/v1/workflows/{name}/start",
    "PUT /api/v1/services/{name}/signals",
]


class Wsgi(WSGIHandler):
    """Leaves the connection open after a request, as Django's own test client does: it holds the test's transaction."""

    def __call__(self, environ: Any, start_response: Any) -> Any:
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)
        return super().__call__(environ, start_response)


@pytest.fixture
def described(http: Client, db: None) -> Iterator[Any]:
    schema = schemathesis.openapi.from_dict(http.get("/api/v1/schema").json())
    schema.app = Wsgi()
    yield schema
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def test_the_list_of_operations_is_whole(described: Any) -> None:
    assert sorted(each.ok().label for each in described.get_all_operations()) == OPERATIONS


@pytest.mark.parametrize("label", OPERATIONS)
@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
def test_answers_are_as_described(
    label: str, mode: schemathesis.GenerationMode, described: Any, order: None, operator: Person
) -> None:
    started = operator.post("/api/v1/workflows/Order/start", {"args": [PLACED]}).json()["id"]
    work()
    operation = described.find_operation_by_label(label)

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def call(case: schemathesis.Case) -> None:
        # Half of the calls concern what exists.
        for name, value in {"instance_id": started, "name": "Order"}.items():
            if name in case.path_parameters and len(repr(case.body)) % 2:
                case.path_parameters[name] = value
        answer = case.call(headers=operator.headers)
        case.validate_response(answer, checks=CHECKS)

    call()
