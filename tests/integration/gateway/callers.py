"""Who calls the API in these tests: a service that signs and a person who signed in."""

from __future__ import annotations

import gzip
import json
import time
from dataclasses import dataclass
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from apps.accounts.services import grant
from apps.catalog.models import Service
from resumable.wire.signature import headers as signed_headers

PASSWORD = "correct horse battery staple"
PAID = {
    "type": "object",
    "properties": {"order_id": {"type": "string"}, "amount": {"type": "number"}},
    "required": ["order_id", "amount"],
}


def problem(response: HttpResponse) -> dict[str, Any]:
    """The members of a problem answer, checked for its form."""
    assert response.headers["Content-Type"] == "application/problem+json", response.content
    members: dict[str, Any] = json.loads(response.content)
    assert members["status"] == response.status_code
    assert {"type", "title", "code", "detail"} <= members.keys()
    return members


def refused(response: HttpResponse) -> tuple[int, str]:
    return response.status_code, problem(response)["code"]


@dataclass
class Signer:
    """A service as the engine sees it: sends requests that are signed with its key."""

    client: Client
    service: str
    key_id: str
    key: str

    def send(
        self, method: str, path: str, body: Any, *, at: float | None = None, zipped: bool = False, **headers: str
    ) -> HttpResponse:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        content = gzip.compress(content) if zipped else content
        signed = signed_headers(
            service=self.service,
            key_id=self.key_id,
            key=self.key.encode(),
            method=method,
            target=path,
            body=content,
            now=time.time() if at is None else at,
        )
        if zipped:
            signed["Content-Encoding"] = "gzip"
        return self.client.generic(
            method, path, content, content_type="application/json", headers={**signed, **headers}
        )

    def push(self, *items: Any, **options: Any) -> HttpResponse:
        return self.send("POST", "/api/v1/signals", list(items), **options)

    @property
    def row(self) -> Service:
        return Service.objects.get(name=self.service)


@dataclass
class Person:
    """Somebody who signed in over HTTP."""

    client: Client
    user: User
    access: str
    refresh: str

    def get(self, path: str, **query: Any) -> HttpResponse:
        return self.client.get(path, query, headers=self.headers)

    def post(self, path: str, body: Any = None) -> HttpResponse:
        return self.client.post(path, body or {}, content_type="application/json", headers=self.headers)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}


def sign_in(client: Client, name: str, *roles: str) -> Person:
    user = User.objects.create_user(name, password=PASSWORD)
    for role in roles:
        grant(user, role)
    body = {"username": name, "password": PASSWORD}
    meta = client.post("/api/v1/auth/login", body, content_type="application/json").json()["meta"]
    return Person(client=client, user=user, access=meta["access_token"], refresh=meta["refresh_token"])


def paid(uid: str, **payload: Any) -> dict[str, Any]:
    return {"uid": uid, "name": "Paid", "payload": {"order_id": "A1", "amount": 5, **payload}}


def code_of(secret: str) -> str:
    """What an authenticator app shows now."""
    return str(format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time()))))
