"""Every error leaves as application/problem+json with a stable code; docs/reference/errors.md lists the codes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpResponse
from rest_framework import exceptions

from apps.lib import ids, problems
from apps.lib.problems import Problem

if TYPE_CHECKING:
    from django.http import HttpRequest

log = structlog.get_logger(__name__)

CONTENT_TYPE = "application/problem+json"
RETRY_SECONDS = "2"


class BodyTooLarge(problems.TooLarge):
    code, title = "body_too_large", "The body is larger than allowed."


class TooManyItems(problems.TooLarge):
    code, title = "too_many_items", "The batch holds more items than allowed."


class MalformedBody(Problem):
    code, title = "malformed_body", "The body is not the JSON that is expected here."


class UnsupportedEncoding(Problem):
    code, status, title = "unsupported_encoding", 415, "The Content-Encoding is not understood."


class UnsupportedMediaType(Problem):
    code, status, title = "unsupported_media_type", 415, "The Content-Type is not understood."


class InvalidParameter(Problem):
    code, title = "invalid_parameter", "A parameter of the request is not valid."


class InvalidBody(problems.Unprocessable):
    code, title = "invalid_body", "A member of the body is missing, or not of the type it must have."


class ReauthenticationRequired(problems.Unauthenticated):
    code, title = "reauthentication_required", "Show again who you are, then repeat the request."


class SecondFactorRequired(problems.Unauthenticated):
    code, title = "second_factor_required", "Go on with a code of your second factor."


class MethodNotAllowed(Problem):
    code, status, title = "method_not_allowed", 405, "This address does not answer that method."


class NotAcceptable(Problem):
    code, status, title = "not_acceptable", 406, "There is no representation that the request accepts."


class RateLimited(Problem):
    code, status, title = "rate_limited", 429, "Too many requests."


class InternalError(Problem):
    code, status, title = "internal_error", 500, "The engine failed."


#: For an answer that came without a problem, by its status.
BY_STATUS: dict[int, type[Problem]] = {
    each.status: each
    for each in (
        problems.Problem,
        problems.Unauthenticated,
        problems.Forbidden,
        problems.NotFound,
        problems.Conflict,
        problems.TooLarge,
        problems.Unprocessable,
        problems.Unavailable,
        MethodNotAllowed,
        NotAcceptable,
        UnsupportedMediaType,
        RateLimited,
        InternalError,
    )
}

#: For a sign-in that has to go on, by the step that is next.
BY_FLOW: dict[str, type[Problem]] = {
    "reauthenticate": ReauthenticationRequired,
    "mfa_reauthenticate": ReauthenticationRequired,
    "mfa_authenticate": SecondFactorRequired,
}

FRAMEWORK: dict[type[Exception], type[Problem]] = {
    Http404: problems.NotFound,
    PermissionDenied: problems.Forbidden,
    RequestDataTooBig: BodyTooLarge,
    OperationalError: problems.Unavailable,
    InterfaceError: problems.Unavailable,
    exceptions.NotAuthenticated: problems.Unauthenticated,
    exceptions.AuthenticationFailed: problems.Unauthenticated,
    exceptions.PermissionDenied: problems.Forbidden,
    exceptions.MethodNotAllowed: MethodNotAllowed,
    exceptions.NotAcceptable: NotAcceptable,
    exceptions.UnsupportedMediaType: UnsupportedMediaType,
    exceptions.ParseError: MalformedBody,
    exceptions.ValidationError: InvalidParameter,
    exceptions.NotFound: problems.NotFound,
    exceptions.Throttled: RateLimited,
}


def problem_of(error: Exception) -> Problem | None:
    """The problem that an exception is answered with; None when it is a fault of the engine."""
    if isinstance(error, Problem):
        return error
    for kind, problem in FRAMEWORK.items():
        if isinstance(error, kind):
            return problem(_detail(error))
    return None


def answer(problem: Problem, headers: dict[str, str] | None = None) -> HttpResponse:
    response = HttpResponse(msgspec.json.encode(problem.as_dict()), content_type=CONTENT_TYPE, status=problem.status)
    if problem.status == HTTPStatus.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="api"'
    if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
        response["Retry-After"] = RETRY_SECONDS
    for name, value in (headers or {}).items():
        response[name] = value
    return response


def handle(error: Exception, context: dict[str, Any]) -> HttpResponse | None:
    """Django REST framework's exception handler. None raises the error again, for `failed`."""
    problem = problem_of(error)
    if problem is None:
        return None
    headers = {}
    if isinstance(error, exceptions.MethodNotAllowed):
        headers["Allow"] = ", ".join(context["view"].allowed_methods)
    return answer(problem, headers)


def failed(request: HttpRequest, error: Exception) -> HttpResponse:
    """Answer a fault of the engine: what happened is in the log, under the id that the answer carries."""
    error_id = str(ids.uuid7())
    log.error("request.failed", exc_info=error, error_id=error_id, method=request.method, path=request.path)
    return answer(InternalError(f"The cause is in the engine's log under {error_id}.", error_id=error_id))


def _detail(error: Exception) -> str:
    # Only the API's own exceptions speak to the caller: a database's message may quote its address or its rows.
    if not isinstance(error, exceptions.APIException):
        return ""
    if isinstance(error.detail, str):
        return str(error.detail)
    return msgspec.json.encode(error.detail, enc_hook=str).decode()
