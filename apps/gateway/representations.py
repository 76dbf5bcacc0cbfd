"""How rows look outside. These names are the contract; docs/reference/http.md describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from apps.instances.statuses import Status
from apps.lib import jsontext

if TYPE_CHECKING:
    from apps.signals.models import Signal


@extend_schema_field(OpenApiTypes.ANY)
class Json(serializers.JSONField):
    """A value as it was stored, of any JSON type."""

    def to_representation(self, value: Any) -> Any:
        return value


class VersionShape(serializers.Serializer[Any]):
    label = serializers.CharField()  # type: ignore[assignment]  # shadows the name of a form's label, unused here
    hash = serializers.CharField(source="artifact_id")


class WorkflowVersionShape(VersionShape):
    status = serializers.CharField()
    created_at = serializers.DateTimeField()


class WorkflowShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    doc = serializers.CharField()
    status = serializers.CharField()
    version = VersionShape(allow_null=True)
    starts_on = Json(source="version.starts", default=None)
    key_field = serializers.CharField(source="version.key_field", default="")
    schedule = serializers.CharField(source="version.schedule", default="")
    versions = WorkflowVersionShape(many=True, source="listed_versions")
    instances = serializers.DictField(child=serializers.IntegerField(), source="instance_counts")


class InstanceShape(serializers.Serializer[Any]):
    id = serializers.UUIDField(source="public_id")
    workflow = serializers.CharField(source="workflow.name")
    version = VersionShape()
    key = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=Status.choices)
    revision = serializers.IntegerField()
    cancelling = serializers.BooleanField()
    attempts = serializers.IntegerField()
    result = Json()
    error = serializers.CharField(allow_null=True)
    retry_at = serializers.DateTimeField(allow_null=True)
    started_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        shown["key"], shown["error"] = shown["key"] or None, shown["error"] or None
        return shown


class WaitShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    number = serializers.IntegerField()
    kind = serializers.CharField()
    name = serializers.CharField(allow_null=True)
    signal = serializers.CharField(allow_null=True)
    criteria = Json()
    where = serializers.CharField(allow_null=True)
    due_at = serializers.DateTimeField(allow_null=True)
    function = serializers.CharField()
    line = serializers.IntegerField()
    created_at = serializers.DateTimeField()

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        for name in ("name", "signal", "where"):
            shown[name] = shown[name] or None
        return shown


class ListedWaitShape(WaitShape):
    instance = serializers.UUIDField(source="instance.public_id")
    workflow = serializers.CharField(source="instance.workflow.name")


class InstanceDetailShape(InstanceShape):
    state = Json(source="latest_state")
    waits = WaitShape(many=True, source="open_waits")


class HistoryShape(serializers.Serializer[Any]):
    seq = serializers.IntegerField()
    kind = serializers.CharField()
    at = serializers.DateTimeField()
    detail = Json()
    state = Json()


class SignalShape(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    uid = serializers.CharField()
    name = serializers.CharField()
    service = serializers.CharField(source="service.name", default=None, allow_null=True)
    payload = serializers.SerializerMethodField()
    received_at = serializers.DateTimeField()
    occurred_at = serializers.DateTimeField(allow_null=True)
    correlation_id = serializers.CharField(allow_null=True)

    @extend_schema_field(OpenApiTypes.ANY)
    def get_payload(self, signal: Signal) -> Any:
        return jsontext.decode(signal.payload)

    def to_representation(self, instance: Any) -> dict[str, Any]:
        shown = super().to_representation(instance)
        shown["correlation_id"] = shown["correlation_id"] or None
        return shown


class DeliveryShape(serializers.Serializer[Any]):
    instance = serializers.UUIDField(source="instance.public_id")
    state = serializers.CharField()
    seq = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


class SignalDetailShape(SignalShape):
    matched = serializers.BooleanField()
    deliveries = DeliveryShape(many=True)


class PushBody(serializers.Serializer[Any]):
    uid = serializers.RegexField(r"^[!-~]{1,200}$", help_text="with the service's name it identifies the signal")
    name = serializers.CharField(max_length=200)
    payload = serializers.DictField(help_text="satisfies the JSON Schema that was declared for the name")
    occurred_at = serializers.DateTimeField(required=False, allow_null=True)
    correlation_id = serializers.CharField(required=False, allow_null=True, max_length=200)


class RejectionShape(serializers.Serializer[Any]):
    index = serializers.IntegerField()
    uid = serializers.CharField(allow_null=True)
    code = serializers.CharField()
    detail = serializers.CharField()


class PushAnswer(serializers.Serializer[Any]):
    accepted = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = RejectionShape(many=True)


class DeclaredSignal(serializers.Serializer[Any]):
    schema = serializers.DictField()
    deliver = serializers.ChoiceField(choices=["all", "one"], required=False)


class DeclareBody(serializers.Serializer[Any]):
    signals = serializers.DictField(child=DeclaredSignal())


class RegisterBody(serializers.Serializer[Any]):
    service = serializers.CharField()
    token = serializers.CharField(required=False, allow_null=True, help_text="absent in a signed rotation")
    signals = serializers.DictField(child=DeclaredSignal(), required=False)


class RefusalShape(serializers.Serializer[Any]):
    name = serializers.CharField()
    code = serializers.CharField()
    detail = serializers.CharField()


class RegisterAnswer(serializers.Serializer[Any]):
    service = serializers.CharField()
    key_id = serializers.CharField()
    key = serializers.CharField()
    rejected = RefusalShape(many=True)


class DeclareAnswer(serializers.Serializer[Any]):
    declared = serializers.ListField(child=serializers.CharField())
    rejected = RefusalShape(many=True)


class StartBody(serializers.Serializer[Any]):
    args = Json(required=False, help_text="run()'s arguments: a list, or an object by parameter name")
    key = serializers.CharField(required=False, allow_null=True)
    uid = serializers.CharField(required=False, allow_null=True, help_text="makes a repeated start harmless")


class VerbBody(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, help_text="kept in the history")


class CancelBody(VerbBody):
    scope = serializers.CharField(required=False, allow_null=True, help_text="cancel this scope alone")


class RewindBody(VerbBody):
    to = serializers.IntegerField(help_text="the history entry to go back to")
    redeliver = serializers.BooleanField(required=False, help_text="give again the signals consumed since")


class PatchBody(VerbBody):
    state = serializers.DictField(required=False)
    locals = serializers.DictField(required=False)


class ProblemShape(serializers.Serializer[Any]):
    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    code = serializers.CharField()
    detail = serializers.CharField()
