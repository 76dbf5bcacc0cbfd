"""How a service gets in: enrolment, keys and the signals it declares.

1. `enrol`: an operator has a token made for one service name; it is shown once.
2. `register`: the service trades the token for a key. The token is spent by compare-and-swap,
   in the transaction that makes the key, so of two that present it one gets in.
3. `rotate`: a request signed with a valid key gets a new one. The old key goes on working for
   WORKFLOW_ROTATION_SECONDS, so that nothing in flight is refused, and a lost answer is asked for again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db import transaction

from apps.catalog.declarations import Declaration, Refusal, declare_signals, signal_types
from apps.catalog.models import EnrolmentToken, Service, ServiceKey
from apps.lib import ids
from apps.lib.clock import now
from apps.lib.conf import conf
from apps.lib.problems import Unauthenticated, Unprocessable
from apps.lib.sealing import seal, unseal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import User

    from apps.accounts.models import Tenant

__all__ = [
    "Credentials",
    "Declaration",
    "EnrolmentTokenInvalid",
    "InvalidName",
    "Refusal",
    "SigningKey",
    "declare_own",
    "declare_signals",
    "enrol",
    "find_key",
    "register",
    "revoke",
    "rotate",
    "signal_types",
]

SERVICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,119}", re.ASCII)


class EnrolmentTokenInvalid(Unauthenticated):
    code, title = "enrolment_token_invalid", "The enrolment token is not valid for this service."


class InvalidName(Unprocessable):
    code, title = "invalid_name", "The name cannot be used."


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A key as its service gets it, once, and the declarations that were refused with it."""

    service: str
    key_id: str
    key: str
    refused: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A valid key, opened: what a request's signature is checked with."""

    service: Service
    secret: bytes


def enrol(tenant: Tenant, service_name: str, *, created_by: User | None = None) -> str:
    """A token with which `service_name` can register once, within WORKFLOW_ENROLMENT_SECONDS. Raises InvalidName."""
    check_name(service_name)
    token = ids.token()
    EnrolmentToken.objects.create(
        tenant=tenant,
        service_name=service_name,
        token_hash=_hashed(token),
        expires_at=now() + timedelta(seconds=conf.enrolment_seconds),
        created_by=created_by,
    )
    return token


@transaction.atomic
def register(token: str, service_name: str, signals: Sequence[Declaration] = ()) -> Credentials:
    """Trade an enrolment token for a key. Raises EnrolmentTokenInvalid and InvalidName, and then nothing is stored."""
    check_name(service_name)
    token_hash = _hashed(token)
    if not EnrolmentToken.objects.use(token_hash, service_name, now()):
        raise EnrolmentTokenInvalid(
            "The token is unknown, used, expired or made for another service: "
            "have a new one made with `manage.py enrol <service>`."
        )
    tenant = EnrolmentToken.objects.select_related("tenant").get(token_hash=token_hash).tenant
    service, _ = Service.objects.get_or_create(tenant=tenant, name=service_name)
    return _new_key(service, signals)


@transaction.atomic
def rotate(service: Service, signals: Sequence[Declaration] = ()) -> Credentials:
    """A new key for a service that signed with a valid one; both work while the old one retires."""
    return _new_key(service, signals)


def find_key(key_id: str) -> SigningKey | None:
    """The key, if it may sign now. Raises SecretUnreadable."""
    valid = ServiceKey.objects.valid(now()).select_related("service__tenant")
    row = valid.filter(key_id=key_id).first()
    if row is None:
        return None
    return SigningKey(service=row.service, secret=unseal(bytes(row.secret), bound_to=_purpose(key_id)))


def revoke(key_id: str) -> bool:
    """Refuse this key from now on; True when it could still sign."""
    return ServiceKey.objects.valid(now()).filter(key_id=key_id).revoke() == 1


def check_name(service_name: str) -> None:
    """Raises InvalidName."""
    if SERVICE_NAME.fullmatch(service_name) is None:
        raise InvalidName(
            "A service is named by 1 to 120 letters, digits, dots, dashes or underscores, "
            "beginning with a letter or a digit."
        )


def _new_key(service: Service, signals: Sequence[Declaration]) -> Credentials:
    refused = declare_own(service, signals)
    ServiceKey.objects.retire(service, now() + timedelta(seconds=conf.rotation_seconds))
    # The key signs as these ASCII characters, never as the bytes they stand for.
    key_id, key = f"key_{secrets.token_hex(12)}", ids.token()
    sealed = seal(key.encode("ascii"), bound_to=_purpose(key_id))
    ServiceKey.objects.create(key_id=key_id, service=service, secret=sealed)
    return Credentials(service=service.name, key_id=key_id, key=key, refused=tuple(refused))


@transaction.atomic
def declare_own(service: Service, signals: Sequence[Declaration]) -> list[Refusal]:
    """Store what a service declares, and that it does: the checks know by it who can push what."""
    # The lock makes concurrent registrations of one service follow each other: the last key stays active.
    locked = Service.objects.locked(service.pk)
    refused = declare_signals(service.tenant, signals, declared_by=f"service {service.name}")
    names = {each.name for each in signals} - {each.name for each in refused if each.code != "schema_conflict"}
    known = set(locked.metadata.get("signals", ()))
    if not names <= known:
        metadata = {**locked.metadata, "signals": sorted(known | names)}
        Service.objects.filter(pk=service.pk).update(metadata=metadata)
    return refused


def _purpose(key_id: str) -> str:
    return f"service key {key_id}"


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
