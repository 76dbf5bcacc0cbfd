"""Signed requests: which service sent this. Checked before a byte of the body is interpreted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rest_framework.authentication import BaseAuthentication

from apps.catalog.services import find_key
from apps.gateway import bodies
from apps.lib.clock import now
from apps.lib.conf import conf
from apps.lib.problems import Unauthenticated
from resumable.wire.signature import (
    KEY_HEADER,
    SERVICE_HEADER,
    SIGNATURE_HEADER,
    SignatureError,
    SignatureStale,
    verify,
)

if TYPE_CHECKING:
    from django.http import HttpRequest
    from rest_framework.request import Request

    from apps.accounts.models import Tenant
    from apps.catalog.models import Service
    from apps.catalog.services import SigningKey

TITLES = {
    "signature_missing": "The request is not signed.",
    "signature_malformed": "The signature header cannot be read.",
    "signature_stale": "The signature is too old, or from the future.",
    "signature_mismatch": "The signature is not valid.",
}


class NotSigned(Unauthenticated):
    """One of the codes of TITLES. An unknown service, an unknown key and a revoked key answer alike."""

    def __init__(self, error: SignatureError, **extra: object) -> None:
        super().__init__(str(error), **extra)
        self.code, self.title = error.code, TITLES[error.code]  # type: ignore[misc]  # one class answers for four codes


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCaller:
    """A service in the place of `request.user`."""

    service: Service
    is_authenticated: bool = True
    is_active: bool = True

    @property
    def pk(self) -> int:
        return self.service.pk

    @property
    def tenant(self) -> Tenant:
        return self.service.tenant


def signer(request: HttpRequest, body: bytes) -> Service:
    """The service that signed these bytes. Raises NotSigned."""
    key = _named_key(request)
    clock = now().timestamp()
    try:
        verify(
            request.headers.get(SIGNATURE_HEADER),
            keys=[] if key is None else [key.secret],
            method=request.method or "",
            target=request.get_full_path(),
            body=body,
            now=clock,
            tolerance=conf.signature_tolerance,
        )
    except SignatureStale as error:
        raise NotSigned(error, now=int(clock)) from None
    except SignatureError as error:
        raise NotSigned(error) from None
    assert key is not None, "a signature was accepted without a key"
    return key.service


def _named_key(request: HttpRequest) -> SigningKey | None:
    key_id = request.headers.get(KEY_HEADER, "")
    # PostgreSQL refuses to be asked for text with NUL in it.
    key = find_key(key_id) if key_id.isprintable() else None
    if key is None or key.service.name != request.headers.get(SERVICE_HEADER):
        return None
    return key


class ServiceAuthentication(BaseAuthentication):
    """Takes a request that carries a signature; leaves the others to the next authenticator."""

    def authenticate(self, request: Request) -> tuple[ServiceCaller, None] | None:
        if SIGNATURE_HEADER not in request.headers:
            return None
        service = signer(request._request, bodies.raw(request._request))
        return ServiceCaller(service=service), None
