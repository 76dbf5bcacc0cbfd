"""Errors that a caller can act on: each class has a stable code, and the gateway answers it as problem+json."""

from __future__ import annotations

from typing import Any, ClassVar


class Problem(Exception):
    """What was asked cannot be done, and why.

    `code` is stable: clients decide by it. `detail` says what was wrong, where, and what to do. `extra` holds
    further members of the answer, such as the field concerned.
    """

    code: ClassVar[str] = "invalid"
    status: ClassVar[int] = 400
    title: ClassVar[str] = "The request is not valid."

    def __init__(self, detail: str = "", **extra: Any) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.extra = extra

    def as_dict(self) -> dict[str, Any]:
        """The members of the answer, as RFC 9457 names them."""
        return {
            "type": "about:blank",
            "title": self.title,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            **self.extra,
        }


class Unauthenticated(Problem):
    code, status, title = "unauthenticated", 401, "The request is not signed by somebody known."


class Forbidden(Problem):
    code, status, title = "forbidden", 403, "This is not allowed to you."


class NotFound(Problem):
    code, status, title = "not_found", 404, "There is no such thing."


class Conflict(Problem):
    code, status, title = "conflict", 409, "The request does not fit the present state."


class TooLarge(Problem):
    code, status, title = "too_large", 413, "The request is larger than allowed."


class Unprocessable(Problem):
    code, status, title = "unprocessable", 422, "The request is understood but its content is not valid."


class Unavailable(Problem):
    code, status, title = "unavailable", 503, "Not possible at the moment; try again."
