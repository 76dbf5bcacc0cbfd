"""What the generated description of the API needs beside the views themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, inline_serializer
from rest_framework import serializers

from apps.instances.statuses import Status
from apps.waits.statuses import Kind
from resumable.wire.signature import SIGNATURE_HEADER

if TYPE_CHECKING:
    from drf_spectacular.generators import SchemaGenerator
    from rest_framework.serializers import BaseSerializer


def _filter(name: str, description: str, kind: Any = OpenApiTypes.STR, **more: Any) -> OpenApiParameter:
    return OpenApiParameter(name, kind, OpenApiParameter.QUERY, description=description, **more)


PAGE = [
    _filter("cursor", "`next` of the page before"),
    _filter("limit", "rows of the page, at least 1", OpenApiTypes.INT),
]
SPAN = [
    _filter("since", "not before this moment", OpenApiTypes.DATETIME),
    _filter("until", "before this moment", OpenApiTypes.DATETIME),
]
INSTANCE_FILTERS = [
    _filter("workflow", "name of the workflow"),
    _filter("status", f"one or more of {', '.join(Status.values)}, comma separated"),
    _filter("key", "the instance's key"),
    *SPAN,
]
WAIT_FILTERS = [
    _filter("workflow", "name of the workflow"),
    _filter("signal", "name of the signal that is waited for"),
    _filter("kind", f"one or more of {', '.join(Kind.values)}, comma separated"),
]
SIGNAL_FILTERS = [
    _filter("name", "name of the signal"),
    _filter("service", "name of the service that pushed it"),
    *SPAN,
]

# Typed as names of schemes, but written into the description as they are.
SIGNED: Any = [{"signature": []}]
SIGNED_OR_NOT: Any = [*SIGNED, {}]

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string", "description": "stable; docs/reference/errors.md lists them"},
        "detail": {"type": "string"},
    },
}


def page_shape(item: type[BaseSerializer[Any]]) -> Any:
    name = item.__name__.removesuffix("Shape") + "Page"
    following = serializers.CharField(allow_null=True, help_text="`cursor` of the next page")
    return inline_serializer(name, {"items": item(many=True), "next": following})


def problems(result: dict[str, Any], generator: SchemaGenerator, **_: Any) -> dict[str, Any]:
    """Every operation may be answered by a problem."""
    result["components"].setdefault("schemas", {})["Problem"] = PROBLEM
    reference = {"$ref": "#/components/schemas/Problem"}
    answer = {"description": "A problem", "content": {"application/problem+json": {"schema": reference}}}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"].update({"4XX": answer, "5XX": answer})
    return result


class PersonScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.gateway.people.PersonAuthentication"
    name = "person"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


class ServiceScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    target_class = "apps.gateway.signing.ServiceAuthentication"
    name = "signature"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "header", "name": SIGNATURE_HEADER}
