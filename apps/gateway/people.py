"""People: signed in by a JWT, allowed by their role."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from allauth.headless.contrib.rest_framework.authentication import JWTTokenAuthentication
from rest_framework.permissions import BasePermission

from apps.accounts.services import can_operate, can_view, tenant_of
from apps.gateway.signing import ServiceCaller

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from rest_framework.request import Request
    from rest_framework.views import APIView

    from apps.accounts.models import Tenant


class PersonAuthentication(JWTTokenAuthentication):  # type: ignore[misc]  # allauth carries no types
    """`Authorization: Bearer <access token>`."""


class Viewer(BasePermission):
    message = "This needs the role viewer."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return _is_person(request) and can_view(person(request))


class Operator(BasePermission):
    message = "This needs the role operator."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return _is_person(request) and can_operate(person(request))


class OperatorOrService(Operator):
    message = "This needs the role operator, or the signature of a service."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, ServiceCaller) or super().has_permission(request, view)


def person(request: Request) -> User:
    return cast("User", request.user)


def tenant(request: Request) -> Tenant:
    """Whose rows the caller sees: from the account or the key, never from the request."""
    if isinstance(request.user, ServiceCaller):
        return request.user.tenant
    return tenant_of(person(request))


def _is_person(request: Request) -> bool:
    return request.user is not None and not isinstance(request.user, ServiceCaller)
