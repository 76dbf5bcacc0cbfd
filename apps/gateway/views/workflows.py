"""Workflows: what is defined, and how much of it runs."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Prefetch
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.definitions.models import Version, Workflow
from apps.gateway.openapi import PAGE, page_shape
from apps.gateway.pages import envelope, page
from apps.gateway.people import tenant
from apps.gateway.representations import WorkflowShape
from apps.instances.models import Instance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rest_framework.request import Request


class WorkflowList(APIView):
    @extend_schema(operation_id="list_workflows", parameters=PAGE, responses=page_shape(WorkflowShape))
    def get(self, request: Request) -> Response:
        versions = Prefetch("versions", Version.objects.order_by("-pk"), to_attr="listed_versions")
        rows = Workflow.objects.of(tenant(request)).select_related("version").prefetch_related(versions)
        items, following = page(rows, request.query_params, "id")
        _count_instances(items)
        return Response(envelope(WorkflowShape(items, many=True).data, following))


def _count_instances(workflows: Sequence[Any]) -> None:
    """Give each workflow its number of instances by status: one query, answered from the index of the list."""
    counts: dict[int, dict[str, int]] = defaultdict(dict)
    rows = Instance.objects.filter(workflow__in=[each.pk for each in workflows]).order_by()
    for workflow, status, number in rows.values_list("workflow_id", "status").annotate(Count("pk")):
        counts[workflow][status] = number
    for each in workflows:
        each.instance_counts = counts[each.pk]
