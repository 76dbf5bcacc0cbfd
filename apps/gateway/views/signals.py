"""Signals: taken in by the batch, and read from the log.

A request is checked in this order, and what fails is answered before the next is looked at: size of the
body, signature, encoding, JSON, number of items. Then each item stands for itself.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from django.db.models import Q
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.catalog.services import signal_types
from apps.gateway import bodies, parameters
from apps.gateway.openapi import PAGE, SIGNAL_FILTERS, SIGNED, page_shape
from apps.gateway.pages import envelope, page
from apps.gateway.parameters import Instant, Uid, in_utc
from apps.gateway.people import tenant
from apps.gateway.problems import MalformedBody, TooManyItems
from apps.gateway.representations import PushAnswer, PushBody, SignalDetailShape, SignalShape
from apps.gateway.signing import signer
from apps.lib.conf import conf
from apps.lib.problems import Conflict, NotFound, Problem, Unprocessable
from apps.signals.models import Cursor, Delivery, Signal
from apps.signals.services import Item, ingest
from resumable.wire.bodies import Rejection, SignalsAnswer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request

    from apps.catalog.models import Service
    from apps.catalog.schemas import SignalCheck

UID_CHARACTERS = 200


class UnknownSignal(NotFound):
    code, title = "unknown_signal", "No service and no workflow has declared a signal of that name."


class InvalidPayload(Unprocessable):
    code, title = "invalid_payload", "The payload does not satisfy the signal's schema."


class InvalidItem(Unprocessable):
    code, title = "invalid_item", "The item is not a signal."


class UidConflict(Conflict):
    code, title = "uid_conflict", "The uid was used before, with another body."


BY_CODE: dict[str, type[Problem]] = {
    each.code: each for each in (UnknownSignal, InvalidPayload, InvalidItem, UidConflict)
}


class PushedItem(msgspec.Struct, frozen=True):
    """One item as the wire has it."""

    uid: Uid
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    payload: Any
    occurred_at: Instant | None = None
    correlation_id: Annotated[str, msgspec.Meta(max_length=200)] | None = None

    def __post_init__(self) -> None:
        if self.occurred_at is not None:
            msgspec.structs.force_setattr(self, "occurred_at", in_utc(self.occurred_at))


class Signals(APIView):
    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        # The framework's own way in costs more than storing a signal does.
        if request.method == "POST":
            return push(request)
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(operation_id="push_signals", request=PushBody(many=True), responses={202: PushAnswer}, auth=SIGNED)
    def post(self, request: Request) -> HttpResponse:
        return push(request._request)

    @extend_schema(operation_id="list_signals", parameters=[*SIGNAL_FILTERS, *PAGE], responses=page_shape(SignalShape))
    def get(self, request: Request) -> Response:
        items, following = page(self.filtered(request).select_related("service"), request.query_params, "-id")
        return Response(envelope(SignalShape(items, many=True).data, following))

    def filtered(self, request: Request) -> QuerySet[Signal]:
        query = request.query_params
        wanted = Q()
        if name := parameters.text(query, "name"):
            wanted &= Q(name=name)
        if service := parameters.text(query, "service"):
            wanted &= Q(service__name=service)
        if since := parameters.instant(query, "since"):
            wanted &= Q(received_at__gte=since)
        if until := parameters.instant(query, "until"):
            wanted &= Q(received_at__lt=until)
        return Signal.objects.of(tenant(request)).filter(wanted)


class SignalDetail(APIView):
    @extend_schema(operation_id="read_signal", responses=SignalDetailShape)
    def get(self, request: Request, signal_id: int) -> Response:
        rows = Signal.objects.of(tenant(request)).select_related("service")
        signal: Any = rows.filter(pk=signal_id).first()
        if signal is None:
            raise NotFound(f"There is no signal {signal_id}.")
        signal.matched = Cursor.objects.is_matched(signal.pk)
        given = (
            Delivery.objects.filter(signal_id=signal.pk)
            .select_related("instance")
            .only("signal_id", "state", "seq", "created_at", "instance__public_id")
        )
        signal.deliveries = list(given.order_by("pk")[: conf.page_limit])
        return Response(SignalDetailShape(signal).data)


def push(request: HttpRequest) -> HttpResponse:
    body = bodies.raw(request)
    service = signer(request, body)
    content = bodies.decoded(request, body)
    answer = _stored(service, _items(content))
    if isinstance(content, dict) and answer.rejected:
        (rejection,) = answer.rejected
        raise BY_CODE[rejection.code](rejection.detail)
    return HttpResponse(msgspec.json.encode(answer), content_type="application/json", status=HTTPStatus.ACCEPTED)


def _items(content: Any) -> list[Any]:
    items = [content] if isinstance(content, dict) else content
    if not isinstance(items, list) or not items:
        raise MalformedBody("Send one signal as an object, or a list of at least one.")
    if len(items) > conf.batch_limit:
        raise TooManyItems(f"A request may hold {conf.batch_limit} signals, this one has {len(items)}.")
    return items


def _stored(service: Service, items: list[Any]) -> SignalsAnswer:
    """Store what can be stored; the others are answered one by one."""
    read = [_read(index, item) for index, item in enumerate(items)]
    names = {each.name for each in read if isinstance(each, PushedItem)}
    checks = signal_types(service.tenant, names)
    judged = [_judged(index, each, checks) for index, each in enumerate(read)]
    good = [(index, each) for index, each in enumerate(judged) if isinstance(each, Item)]
    result = ingest(service, [item for _, item in good])
    rejected = [each for each in judged if isinstance(each, Rejection)]
    rejected += [
        Rejection(index=good[each.index][0], uid=each.uid, code=each.code, detail=each.detail)
        for each in result.rejected
    ]
    rejected.sort(key=lambda each: each.index)
    return SignalsAnswer(accepted=result.accepted, duplicates=result.duplicates, rejected=tuple(rejected))


def _read(index: int, item: Any) -> PushedItem | Rejection:
    try:
        return msgspec.convert(item, PushedItem)
    except msgspec.ValidationError as error:
        uid = item.get("uid") if isinstance(item, dict) else None
        shown = uid[:UID_CHARACTERS] if isinstance(uid, str) else None
        return Rejection(index=index, uid=shown, code=InvalidItem.code, detail=f"{error}.")


def _judged(index: int, item: PushedItem | Rejection, checks: Mapping[str, SignalCheck]) -> Item | Rejection:
    if isinstance(item, Rejection):
        return item
    check = checks.get(item.name)
    if check is None:
        detail = f"{item.name!r} is declared by no service and no workflow."
        return Rejection(index=index, uid=item.uid, code=UnknownSignal.code, detail=detail)
    problem = check.problem(item.payload) if isinstance(item.payload, dict) else "payload: it must be an object"
    if problem is not None:
        return Rejection(index=index, uid=item.uid, code=InvalidPayload.code, detail=problem)
    return Item(
        uid=item.uid,
        name=item.name,
        payload=item.payload,
        occurred_at=item.occurred_at,
        correlation_id=item.correlation_id or "",
    )
