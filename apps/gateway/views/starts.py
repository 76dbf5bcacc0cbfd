"""Starting a workflow by name."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from drf_spectacular.utils import extend_schema
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.execution.services.start import start_instance
from apps.gateway.parameters import Uid
from apps.gateway.people import OperatorOrService, PersonAuthentication, tenant
from apps.gateway.problems import InvalidBody
from apps.gateway.representations import InstanceDetailShape, StartBody
from apps.gateway.signing import ServiceAuthentication, ServiceCaller
from apps.gateway.views.instances import detail, found
from resumable.wire.bodies import StartRequest

if TYPE_CHECKING:
    from rest_framework.request import Request


class Start(APIView):
    authentication_classes = [ServiceAuthentication, PersonAuthentication]
    permission_classes = [OperatorOrService]

    @extend_schema(
        operation_id="start_workflow", request=StartBody, responses={200: InstanceDetailShape, 201: InstanceDetailShape}
    )
    def post(self, request: Request, name: str) -> Response:
        """201 with the instance; 200 with it when the same service sent the same uid before."""
        wanted = _read(request.data)
        caller = request.user
        service = caller.service if isinstance(caller, ServiceCaller) else None
        owner = tenant(request)
        started = start_instance(owner, name, wanted.args, wanted.key, service=service, uid=wanted.uid)
        status = HTTPStatus.CREATED if started.created else HTTPStatus.OK
        return Response(detail(found(owner, started.instance.public_id)), status=status)


def _read(content: Any) -> StartRequest:
    """Raises InvalidBody."""
    try:
        wanted = msgspec.convert(content, StartRequest)
        msgspec.convert(wanted.uid, Uid | None)
    except msgspec.ValidationError as error:
        raise InvalidBody(f"{error}.") from None
    return wanted
