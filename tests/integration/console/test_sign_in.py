from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client

from tests.integration.gateway.callers import PASSWORD, code_of

URL = "/admin/login/"


@pytest.fixture
def root(db: None) -> User:
    # Failed attempts are counted by address; the tests share one.
    cache.clear()
    return User.objects.create_superuser("root", password=PASSWORD)


def sign_in(client: Client, **values: str) -> bool:
    client.post(URL, {"username": "root", "password": PASSWORD, "next": "/admin/", **values})
    return "_auth_user_id" in client.session


def test_the_page_asks_for_name_password_and_code(client: Client, db: None) -> None:
    page = client.get(URL).content.decode()
    assert all(f'name="{name}"' in page for name in ("username", "password", "code", "next"))


def test_a_password_is_enough_without_a_second_factor(client: Client, root: User) -> None:
    assert not sign_in(client, password="wrong")
    assert sign_in(client)


def test_a_second_factor_is_asked_for_where_there_is_one(client: Client, root: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(root, secret)
    assert not sign_in(client)
    assert not sign_in(client, code="000000")
    code = code_of(secret)
    assert sign_in(client, code=code)
    client.logout()
    assert not sign_in(client, code=code), "a code works once"


def test_secrets_of_second_factors_are_sealed(root: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(root, secret)
    stored = Authenticator.objects.get().data["secret"]
    assert secret not in stored
    assert get_adapter().decrypt(stored) == secret


def test_attempts_are_limited(client: Client, root: User) -> None:
    for _ in range(5):
        assert not sign_in(client, password="wrong")
    assert not sign_in(client), "the right password comes too late"


def test_who_is_no_staff_stays_out(client: Client, db: None) -> None:
    cache.clear()
    User.objects.create_user("root", password=PASSWORD)
    assert not sign_in(client)


def test_a_signed_in_stranger_is_told_so(client: Client, db: None) -> None:
    client.force_login(User.objects.create_user("vera"))
    answer: Any = client.get(URL)
    assert "vera" in answer.content.decode()
