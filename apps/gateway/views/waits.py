from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import Q
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.gateway import parameters
from apps.gateway.openapi import PAGE, WAIT_FILTERS, page_shape
from apps.gateway.pages import envelope, page
from apps.gateway.people import tenant
from apps.gateway.representations import ListedWaitShape
from apps.waits.models import Wait
from apps.waits.statuses import Kind

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from rest_framework.request import Request


class WaitList(APIView):
    """Open waits, longest waiting first."""

    @extend_schema(operation_id="list_waits", parameters=[*WAIT_FILTERS, *PAGE], responses=page_shape(ListedWaitShape))
    def get(self, request: Request) -> Response:
        rows = (
            self.filtered(request)
            .select_related("instance__workflow")
            .defer("instance__snapshot", "instance__result", "instance__error")
        )
        items, following = page(rows, request.query_params, "id")
        return Response(envelope(ListedWaitShape(items, many=True).data, following))

    def filtered(self, request: Request) -> QuerySet[Wait]:
        query = request.query_params
        wanted = Q(instance__tenant=tenant(request))
        if workflow := parameters.text(query, "workflow"):
            wanted &= Q(instance__workflow__name=workflow)
        if signal := parameters.text(query, "signal"):
            wanted &= Q(signal=signal)
        if kinds := parameters.choices(query, "kind", Kind.values):
            wanted &= Q(kind__in=kinds)
        return Wait.objects.filter(wanted)
