"""Instances: what they are and what happened to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.definitions.models import Workflow
from apps.gateway import parameters
from apps.gateway.openapi import INSTANCE_FILTERS, PAGE, page_shape
from apps.gateway.pages import envelope, page
from apps.gateway.people import tenant
from apps.gateway.representations import (
    HistoryShape,
    InstanceDetailShape,
    InstanceShape,
    WaitShape,
)
from apps.instances.models import History, Instance
from apps.instances.statuses import Status
from apps.lib.problems import NotFound
from apps.waits.models import Wait

if TYPE_CHECKING:
    from uuid import UUID

    from django.db.models import QuerySet
    from rest_framework.request import Request

    from apps.accounts.models import Tenant

#: What no answer shows, and what may be large.
UNSHOWN = ("snapshot", "live_key", "version__starts")


def found(owner: Tenant, public_id: UUID) -> Instance:
    """The instance of that tenant. Raises NotFound, also for one of another tenant."""
    rows = Instance.objects.of(owner).select_related("workflow", "version").defer(*UNSHOWN)
    instance = rows.filter(public_id=public_id).first()
    if instance is None:
        raise NotFound(f"There is no instance {public_id}.")
    return instance


class InstanceList(APIView):
    @extend_schema(
        operation_id="list_instances", parameters=[*INSTANCE_FILTERS, *PAGE], responses=page_shape(InstanceShape)
    )
    def get(self, request: Request) -> Response:
        rows = self.filtered(request).select_related("workflow", "version").defer(*UNSHOWN)
        items, following = page(rows, request.query_params, "-id")
        return Response(envelope(InstanceShape(items, many=True).data, following))

    def filtered(self, request: Request) -> QuerySet[Instance]:
        query, owner = request.query_params, tenant(request)
        wanted = Q()
        name, key = parameters.text(query, "workflow"), parameters.text(query, "key")
        if name or key:
            # By ids and not by a join, also for a key alone: the indexes begin with the workflow.
            workflows = Workflow.objects.of(owner)
            wanted &= Q(
                workflow__in=list((workflows.filter(name=name) if name else workflows).values_list("pk", flat=True))
            )
        if key:
            wanted &= Q(key=key)
        if statuses := parameters.choices(query, "status", Status.values):
            wanted &= Q(status__in=statuses)
        if since := parameters.instant(query, "since"):
            wanted &= Q(started_at__gte=since)
        if until := parameters.instant(query, "until"):
            wanted &= Q(started_at__lt=until)
        return Instance.objects.of(owner).filter(wanted)


class InstanceDetail(APIView):
    @extend_schema(operation_id="read_instance", responses=InstanceDetailShape)
    def get(self, request: Request, instance_id: UUID) -> Response:
        return Response(detail(found(tenant(request), instance_id)))


def detail(instance: Instance) -> dict[str, Any]:
    """The instance with its state after the last turn and its open waits."""
    last = History.objects.of(instance).defer("snapshot").reverse().first()
    shown: Any = instance
    shown.latest_state = {} if last is None else last.state
    shown.open_waits = list(Wait.objects.of(instance))
    return dict(InstanceDetailShape(shown).data)


class InstanceHistory(APIView):
    @extend_schema(operation_id="list_history", parameters=PAGE, responses=page_shape(HistoryShape))
    def get(self, request: Request, instance_id: UUID) -> Response:
        rows = History.objects.of(found(tenant(request), instance_id)).defer("snapshot")
        items, following = page(rows, request.query_params, "seq")
        return Response(envelope(HistoryShape(items, many=True).data, following))


class InstanceWaits(APIView):
    @extend_schema(operation_id="list_instance_waits", parameters=PAGE, responses=page_shape(WaitShape))
    def get(self, request: Request, instance_id: UUID) -> Response:
        rows = Wait.objects.of(found(tenant(request), instance_id))
        items, following = page(rows, request.query_params, "number")
        return Response(envelope(WaitShape(items, many=True).data, following))
