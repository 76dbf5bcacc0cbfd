"""What an operator can do to an instance. Each verb answers the instance as it is afterwards."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.execution.services import operate
from apps.gateway.people import Operator, person, tenant
from apps.gateway.problems import InvalidBody
from apps.gateway.representations import CancelBody, InstanceDetailShape, PatchBody, RewindBody, VerbBody
from apps.gateway.views.instances import detail, found

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class Said(msgspec.Struct, frozen=True):
    """What an operator says with every verb."""

    reason: str = ""


class SaidCancel(Said, frozen=True):
    scope: str | None = None


class SaidRewind(Said, frozen=True, kw_only=True):
    to: int
    redeliver: bool = False


class SaidPatch(Said, frozen=True):
    state: dict[str, Any] | None = None
    locals: dict[str, Any] | None = None


class Verb(APIView, ABC):
    """Base of the verbs: reads what is said, does it, answers the instance as it is then."""

    permission_classes = [Operator]
    said: ClassVar[type[Said]] = Said

    def post(self, request: Request, instance_id: UUID) -> Response:
        instance = found(tenant(request), instance_id)
        try:
            said = msgspec.convert(request.data, self.said)
        except msgspec.ValidationError as error:
            raise InvalidBody(f"{error}.") from None
        self.act(instance.pk, person(request).get_username(), said)
        return Response(detail(found(tenant(request), instance_id)))

    @abstractmethod
    def act(self, instance_id: int, actor: str, said: Any) -> None:
        """Do what the verb says; a domain error becomes the answer."""


@extend_schema_view(post=extend_schema(operation_id="pause_instance", request=VerbBody, responses=InstanceDetailShape))
class Pause(Verb):
    def act(self, instance_id: int, actor: str, said: Said) -> None:
        operate.pause(instance_id, actor=actor, reason=said.reason)


@extend_schema_view(post=extend_schema(operation_id="resume_instance", request=VerbBody, responses=InstanceDetailShape))
class Resume(Verb):
    def act(self, instance_id: int, actor: str, said: Said) -> None:
        operate.resume(instance_id, actor=actor, reason=said.reason)


@extend_schema_view(
    post=extend_schema(operation_id="cancel_instance", request=CancelBody, responses=InstanceDetailShape)
)
class Cancel(Verb):
    said = SaidCancel

    def act(self, instance_id: int, actor: str, said: SaidCancel) -> None:
        operate.cancel(instance_id, actor=actor, reason=said.reason, scope=said.scope)


@extend_schema_view(post=extend_schema(operation_id="retry_instance", request=VerbBody, responses=InstanceDetailShape))
class Retry(Verb):
    def act(self, instance_id: int, actor: str, said: Said) -> None:
        operate.retry(instance_id, actor=actor, reason=said.reason)


@extend_schema_view(
    post=extend_schema(operation_id="rewind_instance", request=RewindBody, responses=InstanceDetailShape)
)
class Rewind(Verb):
    said = SaidRewind

    def act(self, instance_id: int, actor: str, said: SaidRewind) -> None:
        operate.rewind(instance_id, actor=actor, reason=said.reason, to=said.to, redeliver=said.redeliver)


@extend_schema_view(post=extend_schema(operation_id="patch_instance", request=PatchBody, responses=InstanceDetailShape))
class Patch(Verb):
    said = SaidPatch

    def act(self, instance_id: int, actor: str, said: SaidPatch) -> None:
        if said.state is None and said.locals is None:
            raise InvalidBody("Give `state`, `locals` or both.")
        operate.patch(instance_id, actor=actor, reason=said.reason, state=said.state, locals=said.locals)
