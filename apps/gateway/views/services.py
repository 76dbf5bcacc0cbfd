"""Registration, rotation and declaration: how a service gets its key and names its signals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.views import APIView

from apps.catalog.services import Credentials, Declaration, Refusal, declare_own, register, rotate
from apps.gateway import bodies
from apps.gateway.openapi import SIGNED, SIGNED_OR_NOT
from apps.gateway.problems import MalformedBody
from apps.gateway.representations import DeclareAnswer, DeclareBody, RegisterAnswer, RegisterBody
from apps.gateway.signing import signer
from apps.lib.problems import Forbidden
from resumable.wire.bodies import (
    DeclarationRejected,
    Declared,
    DeclareRequest,
    Registered,
    RegisterRequest,
    SignalDeclaration,
)
from resumable.wire.signature import SIGNATURE_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.http import HttpRequest
    from rest_framework.request import Request

Struct = TypeVar("Struct", bound=msgspec.Struct)


class Register(APIView):
    """With a token: enrolment, unsigned. Without one: rotation, signed with a key that is still valid."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(operation_id="register_service", request=RegisterBody, responses=RegisterAnswer, auth=SIGNED_OR_NOT)
    def post(self, request: Request) -> HttpResponse:
        return registered(request._request)


class ServiceSignals(APIView):
    """The signals that the service pushes or waits to push; declaring them again changes nothing."""

    authentication_classes = []
    permission_classes = []

    @extend_schema(operation_id="declare_signals", request=DeclareBody, responses=DeclareAnswer, auth=SIGNED)
    def put(self, request: Request, name: str) -> HttpResponse:
        return declared(request._request, name)


def registered(request: HttpRequest) -> HttpResponse:
    body = bodies.raw(request)
    service = signer(request, body) if SIGNATURE_HEADER in request.headers else None
    wanted = _read(bodies.decoded(request, body), RegisterRequest)
    signals = _declarations(wanted.signals)
    if wanted.token is not None:
        return _registered(register(wanted.token, wanted.service, signals))
    service = service or signer(request, body)
    _check_own(wanted.service, service.name)
    return _registered(rotate(service, signals))


def declared(request: HttpRequest, name: str) -> HttpResponse:
    body = bodies.raw(request)
    service = signer(request, body)
    _check_own(name, service.name)
    wanted = _read(bodies.decoded(request, body), DeclareRequest)
    refused = declare_own(service, _declarations(wanted.signals))
    names = sorted(wanted.signals.keys() - {each.name for each in refused})
    return _json(Declared(declared=tuple(names), rejected=_rejected(refused)))


def _check_own(named: str, signed: str) -> None:
    if named != signed:
        raise Forbidden(f"The request is signed by {signed!r}, which cannot speak for {named!r}.")


def _read(content: Any, shape: type[Struct]) -> Struct:
    try:
        return msgspec.convert(content, shape)
    except msgspec.ValidationError as error:
        raise MalformedBody(f"{error}.") from None


def _declarations(signals: Mapping[str, SignalDeclaration]) -> list[Declaration]:
    return [Declaration(name=name, schema=each.schema, deliver=each.deliver) for name, each in signals.items()]


def _registered(credentials: Credentials) -> HttpResponse:
    return _json(
        Registered(
            service=credentials.service,
            key_id=credentials.key_id,
            key=credentials.key,
            rejected=_rejected(credentials.refused),
        )
    )


def _rejected(refused: Iterable[Refusal]) -> tuple[DeclarationRejected, ...]:
    return tuple(DeclarationRejected(name=each.name, code=each.code, detail=each.detail) for each in refused)


def _json(content: msgspec.Struct) -> HttpResponse:
    response = HttpResponse(msgspec.json.encode(content), content_type="application/json")
    response["Cache-Control"] = "no-store"
    return response
