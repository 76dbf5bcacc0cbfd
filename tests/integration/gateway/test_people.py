from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import Group, User
from django.core.cache import cache
from django.test import Client

from apps.accounts.services import can_operate, can_view, grant
from tests.integration.gateway.callers import PASSWORD, Person, Signer, code_of, problem, refused

LOGIN, REFRESH, SESSION = "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/session"
READS = ["/api/v1/workflows", "/api/v1/instances", "/api/v1/waits", "/api/v1/signals"]


def post(http: Client, path: str, **body: Any) -> Any:
    return http.post(path, body, content_type="application/json")


def test_the_roles_exist_after_migration(db: None) -> None:
    assert set(Group.objects.values_list("name", flat=True)) >= {"viewer", "operator"}


def test_roles_allow_what_they_say(db: None) -> None:
    people = [User.objects.create_user(name) for name in ("nobody", "vera", "otto", "gone")]
    root = User.objects.create_superuser("root")
    for person, role in zip(people[1:], ("viewer", "operator", "operator"), strict=True):
        grant(person, role)
    people[3].is_active = False
    assert [can_view(each) for each in (*people, root)] == [False, True, True, False, True]
    assert [can_operate(each) for each in (*people, root)] == [False, False, True, False, True]
    with pytest.raises(ValueError, match="no role 'owner'"):
        grant(root, "owner")


def test_signing_in_gives_a_pair_of_tokens(viewer: Person) -> None:
    assert viewer.get(READS[0]).status_code == 200
    claims = jwt.decode(viewer.access, options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == 300


def test_a_wrong_password_is_a_problem(http: Client, viewer: Person) -> None:
    answer = post(http, LOGIN, username="vera", password="wrong")
    assert refused(answer) == (400, "invalid")
    assert problem(answer)["errors"][0]["code"] == "username_password_mismatch"


def test_sign_in_is_limited(http: Client, viewer: Person) -> None:
    answers = [post(http, LOGIN, username="vera", password="wrong") for _ in range(6)]
    assert refused(answers[-1])[0] in (400, 429)
    assert post(http, LOGIN, username="vera", password=PASSWORD).status_code != 200


def test_a_refresh_token_works_once(http: Client, viewer: Person) -> None:
    answer = post(http, REFRESH, refresh_token=viewer.refresh)
    fresh = answer.json()["data"]
    assert fresh["refresh_token"] != viewer.refresh
    assert refused(post(http, REFRESH, refresh_token=viewer.refresh)) == (400, "invalid")
    viewer.access = fresh["access_token"]
    assert viewer.get(READS[0]).status_code == 200


def test_a_sign_out_ends_the_access_token_too(http: Client, viewer: Person) -> None:
    http.delete(SESSION, headers=viewer.headers)
    assert refused(viewer.get(READS[0])) == (401, "unauthenticated")
    assert post(http, REFRESH, refresh_token=viewer.refresh).status_code == 400


def test_a_disabled_account_is_refused_at_once(viewer: Person) -> None:
    User.objects.filter(pk=viewer.user.pk).update(is_active=False)
    assert viewer.get(READS[0]).status_code in (401, 403)


@pytest.mark.parametrize("path", READS)
def test_reads_need_a_viewer(path: str, http: Client, signed_in: Callable[..., Person], orders: Signer) -> None:
    assert refused(http.get(path)) == (401, "unauthenticated")
    assert refused(http.get(path, headers={"Authorization": "Bearer nonsense"})) == (401, "unauthenticated")
    assert refused(signed_in("nobody").get(path)) == (403, "forbidden")
    assert signed_in("vera", "viewer").get(path).status_code == 200
    assert signed_in("otto", "operator").get(path).status_code == 200
    assert refused(orders.send("GET", path, b"")) == (401, "unauthenticated")


def test_tokens_that_were_not_made_here_are_refused(http: Client, viewer: Person, settings: Any) -> None:
    claims = jwt.decode(viewer.access, options={"verify_signature": False})
    forged = [
        jwt.encode(claims, "x" * 32, algorithm="HS256"),
        jwt.encode(claims, settings.SECRET_KEY, algorithm="HS256"),
        jwt.encode(claims, None, algorithm="none"),
        viewer.refresh,
    ]
    for token in forged:
        viewer.access = token
        assert refused(viewer.get(READS[0])) == (401, "unauthenticated")


@pytest.mark.parametrize("path", ["signup", "app/v1/auth/signup", "password/request", "password/reset", "code/request"])
def test_nobody_signs_up_or_in_by_mail(http: Client, db: None, path: str) -> None:
    answer = post(http, f"/api/v1/auth/{path}", username="new", password=PASSWORD, email="new@example.org")
    assert refused(answer) == (404, "not_found")
    assert not User.objects.exists()


def test_a_second_factor_is_set_up_and_then_asked_for(http: Client, viewer: Person) -> None:
    url = "/api/v1/auth/authenticators/totp"
    offered = viewer.get(url)
    assert refused(offered) == (404, "not_found")
    secret = problem(offered)["meta"]["secret"]
    assert refused(viewer.post(url, {"code": code_of(secret)})) == (401, "reauthentication_required")
    assert viewer.post("/api/v1/auth/reauthenticate", {"password": PASSWORD}).status_code == 200
    assert refused(viewer.post(url, {"code": "000000"})) == (400, "invalid")
    assert viewer.post(url, {"code": code_of(secret)}).status_code == 200
    assert len(viewer.get("/api/v1/auth/authenticators").json()["data"]) >= 1
    cache.clear()
    answer = post(http, LOGIN, username="vera", password=PASSWORD)
    assert refused(answer) == (401, "second_factor_required")
    half = problem(answer)
    assert "access_token" not in half["meta"]
    session = {"X-Session-Token": half["meta"]["session_token"]}
    codes = viewer.get("/api/v1/auth/authenticators/recovery-codes").json()["data"]["unused_codes"]
    answer = http.post(
        "/api/v1/auth/2fa/authenticate", {"code": codes[0]}, content_type="application/json", headers=session
    )
    viewer.access = answer.json()["meta"]["access_token"]
    assert viewer.get(READS[0]).status_code == 200


def test_a_password_is_changed(http: Client, viewer: Person) -> None:
    url = "/api/v1/auth/password"
    new = "another battery horse staple"
    assert refused(viewer.post(url, {"current_password": "wrong", "new_password": new})) == (400, "invalid")
    assert refused(viewer.post(url, {"current_password": PASSWORD, "new_password": "short"})) == (400, "invalid")
    assert viewer.post(url, {"current_password": PASSWORD, "new_password": new}).status_code in (200, 401)
    cache.clear()
    assert post(http, LOGIN, username="vera", password=new).status_code == 200
