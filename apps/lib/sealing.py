"""Secrets at rest: AES-GCM under keys that live in the configuration, never in the database.

Each secret is bound to what it is for, so a row copied over another does not open. The newest of
ENCRYPTION_KEYS seals and all of them open, so the ring can be turned without enrolling anybody again.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE_BYTES = 12


class SecretUnreadable(Exception):
    """A stored secret opens with none of ENCRYPTION_KEYS: its key was taken out, or the row was altered."""


def seal(secret: bytes, *, bound_to: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    newest: bytes = settings.ENCRYPTION_KEYS[0]
    return nonce + AESGCM(newest).encrypt(nonce, secret, bound_to.encode())


def unseal(sealed: bytes, *, bound_to: str) -> bytes:
    """The secret. Raises SecretUnreadable."""
    nonce, body = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
    for key in settings.ENCRYPTION_KEYS:
        try:
            return AESGCM(key).decrypt(nonce, body, bound_to.encode())
        except InvalidTag:
            continue
    raise SecretUnreadable(
        f"the secret of {bound_to} opens with none of the encryption keys: "
        "put back the key it was sealed with, or have the secret made anew"
    )
