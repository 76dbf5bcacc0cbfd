"""How people get in: accounts are made by somebody who has one, and second factors are sealed at rest."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import TYPE_CHECKING

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter

from apps.lib.sealing import seal, unseal

if TYPE_CHECKING:
    from django.http import HttpRequest

FACTOR = "a second factor"


class ClosedSignup(DefaultAccountAdapter):  # type: ignore[misc]  # allauth carries no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class SealedFactors(DefaultMFAAdapter):  # type: ignore[misc]  # allauth carries no types
    """Stores what a second factor is checked against as ciphertext; without this it is plain text."""

    def encrypt(self, text: str) -> str:
        return b64encode(seal(text.encode(), bound_to=FACTOR)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(b64decode(encrypted_text), bound_to=FACTOR).decode()
