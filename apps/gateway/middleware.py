"""The last word on errors: whatever an address of the API refuses, it refuses as problem+json."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec

from apps.gateway.problems import BY_FLOW, BY_STATUS, CONTENT_TYPE, answer, failed, problem_of
from apps.lib.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

KEPT_HEADERS = ("Allow", "Retry-After", "WWW-Authenticate", "Vary")


class Problems:
    """Must be the outermost middleware: the ones inside answer errors too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        fine = response.status_code < HTTPStatus.BAD_REQUEST
        if fine or not _concerned(request) or response.headers.get("Content-Type") == CONTENT_TYPE:
            return response
        return _converted(response)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if not _concerned(request):
            return None
        problem = problem_of(error)
        return failed(request, error) if problem is None else answer(problem)


def _concerned(request: HttpRequest) -> bool:
    return request.path.startswith("/api/") or request.path in ("/healthz", "/readyz")


def _converted(response: HttpResponseBase) -> HttpResponse:
    members = _members(response)
    problem = _problem(response.status_code, members)
    headers = {name: response[name] for name in KEPT_HEADERS if name in response}
    converted = answer(problem, headers)
    converted.status_code = response.status_code
    converted.cookies = response.cookies
    return converted


def _members(response: HttpResponseBase) -> dict[str, Any]:
    """What the sign-in endpoints say beside the status: `errors`, and the flows that remain in `data`."""
    if response.streaming or "json" not in response.headers.get("Content-Type", ""):
        return {}
    content = msgspec.json.decode(response.content)  # type: ignore[attr-defined]
    return {name: content[name] for name in ("errors", "data", "meta") if name in content}


def _problem(status: int, members: dict[str, Any]) -> Problem:
    family = _family(status, members)
    problem = family(_first_message(members), **members)
    problem.extra["status"] = status
    return problem


def _family(status: int, members: dict[str, Any]) -> type[Problem]:
    flows = (members.get("data") or {}).get("flows", ()) if status == HTTPStatus.UNAUTHORIZED else ()
    # Steps that were taken or are only offered are listed too; a signed-in caller has nothing but steps to take.
    signed_in = (members.get("meta") or {}).get("is_authenticated")
    for flow in flows:
        if flow["id"] in BY_FLOW and (signed_in or flow.get("is_pending")):
            return BY_FLOW[flow["id"]]
    return BY_STATUS.get(status) or BY_STATUS[400 if status < HTTPStatus.INTERNAL_SERVER_ERROR else 500]


def _first_message(members: dict[str, Any]) -> str:
    errors = members.get("errors") or [{}]
    return str(errors[0].get("message", ""))
