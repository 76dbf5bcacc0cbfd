"""The JSON bodies of the requests a service makes and of their answers.

A struct accepts members it does not know, so that either side may be upgraded
first. ``docs/reference`` holds the same as prose.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

#: Items in one ``POST /api/v1/signals``.
MOST_ITEMS = 1_000


class SignalItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """One pushed signal. ``payload`` stays JSON text: only its schema may judge it."""

    uid: str
    name: str
    payload: msgspec.Raw
    occurred_at: datetime | None = None
    correlation_id: str | None = None


class Rejection(msgspec.Struct, frozen=True):
    """One item that was not stored. ``index`` counts from 0 in the request."""

    index: int
    uid: str | None
    code: str
    detail: str = ""


class SignalsAnswer(msgspec.Struct, frozen=True):
    """202 of ``POST /api/v1/signals``: counts, and who was refused."""

    accepted: int
    duplicates: int
    rejected: tuple[Rejection, ...] = ()


class SignalDeclaration(msgspec.Struct, frozen=True):
    """What a service says of one signal: the JSON Schema of its payload and who gets it."""

    schema: dict[str, Any]
    deliver: Literal["all", "one"] = "all"


class DeclarationRejected(msgspec.Struct, frozen=True):
    """A declaration that was refused; the others of its request stand."""

    name: str
    code: str
    detail: str = ""


class RegisterRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of ``POST /api/v1/services/register``; without a token it is a signed rotation."""

    service: str
    token: str | None = None
    signals: dict[str, SignalDeclaration] = {}


class Registered(msgspec.Struct, frozen=True):
    """200 of a registration. The HMAC key is the ASCII bytes of ``key``."""

    service: str
    key_id: str
    key: str
    rejected: tuple[DeclarationRejected, ...] = ()


class DeclareRequest(msgspec.Struct, frozen=True):
    """Body of ``PUT /api/v1/services/{service}/signals``."""

    signals: dict[str, SignalDeclaration]


class Declared(msgspec.Struct, frozen=True):
    """200 of a declaration, by signal name."""

    declared: tuple[str, ...]
    rejected: tuple[DeclarationRejected, ...] = ()


class StartRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """Body of ``POST /api/v1/workflows/{name}/start``."""

    args: list[Any] | dict[str, Any] = msgspec.field(default_factory=list)
    key: str | None = None
    uid: str | None = None


class Started(msgspec.Struct, frozen=True):
    """The part of a start's answer that a service needs."""

    id: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """``application/problem+json``. ``now`` is the engine's clock, told when a signature is stale."""

    code: str
    title: str = ""
    status: int = 0
    detail: str = ""
    type: str = "about:blank"
    now: float | None = None
