from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.accounts.models import Tenant
from apps.accounts.services import default_tenant, grant
from apps.catalog.models import Service
from apps.catalog.services import Declaration, enrol, register
from apps.console import readonly
from apps.definitions.models import Artifact, LoadError, Version, Workflow
from apps.instances.models import Claim, History, Instance, Instruction
from apps.signals.models import Cursor, Delivery, Signal, SignalKey
from apps.waits.models import LookBack, Template, Wait

START = datetime(2026, 1, 1, tzinfo=UTC)
OURS = [model for model in apps.get_models() if model._meta.app_label.startswith("wf_")]


def named(model: type[models.Model]) -> str:
    return model._meta.model_name or ""


def url(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def rows(db: None) -> None:
    """Two rows of every model at the least, each with parents of its own, so that a query a row would show."""
    tenant = default_tenant()
    Tenant.objects.create(slug="other", name="Other")
    for number in range(3):
        fill(tenant, number)


def fill(tenant: Tenant, number: int) -> None:
    name = f"service{number}"
    signals = [Declaration(name=f"Paid{number}", schema={"type": "object"})]
    register(enrol(tenant, name, created_by=User.objects.create_user(name)), name, signals)
    service = Service.objects.get(name=name)
    artifact = Artifact.objects.create(hash=f"{number}" * 64, files={})
    workflow = Workflow.objects.create(tenant=tenant, name=f"W{number}")
    workflow.version = Version.objects.create(workflow=workflow, artifact=artifact, label="1", module="m", qualname="W")
    workflow.save()
    instance = Instance.objects.create(
        tenant=tenant, workflow=workflow, version=workflow.version, key=f"k{number}", snapshot="{}"
    )
    template = Template.objects.create(
        tenant=tenant, workflow=workflow, signal="Paid", digest=f"{number}", fields=[["order_id", "text"]]
    )
    pk = number + 1
    signal = Signal.objects.create(id=pk, tenant=tenant, service=service, uid=f"u{pk}", name="Paid", payload="{}")
    SignalKey.objects.create(service=service, uid=f"u{pk}", digest=b"d", signal_id=pk)
    Delivery.objects.create(signal_id=signal.pk, instance=instance)
    History.objects.create(instance=instance, seq=1, kind="started", detail={}, state={}, snapshot="{}")
    Wait.objects.create(instance=instance, number=1, kind="signal", template=template, signal="Paid", since_at=START)
    Instruction.objects.create(instance=instance, kind="start")
    Claim.objects.create(instance_ids=[instance.pk])
    LookBack.objects.create(owed={})
    LoadError.objects.create(path=f"orders{number}.py", line=1, message="invalid syntax")
    Cursor.objects.create(name=f"cursor{number}")


def selects(context: CaptureQueriesContext) -> list[str]:
    return [each["sql"] for each in context.captured_queries]


@pytest.mark.parametrize("model", OURS, ids=named)
def test_every_model_is_registered_and_read_only(model: type[models.Model], root: Client, rows: None) -> None:
    assert isinstance(admin.site._registry.get(model), readonly.ReadOnly)
    pk = model._default_manager.order_by("-pk").values_list("pk", flat=True)[0]
    assert root.get(url(model, "changelist")).status_code == 200
    page = root.get(url(model, "change", pk))
    assert page.status_code == 200
    assert b'name="_save"' not in page.content
    before = model._default_manager.count()
    refusals: Iterable[Any] = (
        root.get(url(model, "add")),
        root.post(url(model, "add"), {}),
        root.post(url(model, "change", pk), {}),
        root.post(url(model, "delete", pk), {"post": "yes"}),
        root.post(url(model, "changelist"), {"action": "delete_selected", "_selected_action": pk, "post": "yes"}),
    )
    assert [each.status_code for each in refusals][:4] == [403] * 4
    assert model._default_manager.count() == before


@pytest.mark.parametrize("model", OURS, ids=named)
def test_a_list_costs_the_same_however_long(model: type[models.Model], root: Client, rows: None) -> None:
    with CaptureQueriesContext(connection) as few:
        root.get(url(model, "changelist"))
    for number in range(3, 8):
        fill(default_tenant(), number)
    with CaptureQueriesContext(connection) as many:
        root.get(url(model, "changelist"))
    assert len(many) == len(few), selects(many)


@pytest.mark.parametrize("model", OURS, ids=named)
def test_a_list_never_counts_a_whole_table(model: type[models.Model], root: Client, rows: None) -> None:
    with CaptureQueriesContext(connection) as context:
        root.get(url(model, "changelist"))
    counts = [sql for sql in selects(context) if "COUNT(" in sql]
    assert counts
    assert all(f"LIMIT {readonly.COUNTED_ROWS}" in sql for sql in counts), counts


@pytest.mark.parametrize("model", [Instance, History, Signal, Wait, Delivery, Artifact], ids=named)
def test_a_list_leaves_large_columns_where_they_are(model: type[models.Model], root: Client, rows: None) -> None:
    with CaptureQueriesContext(connection) as context:
        root.get(url(model, "changelist"))
    read = "\n".join(selects(context))
    assert not [name for name in ("snapshot", "payload", "files", '"result"') if name in read]


@pytest.mark.parametrize(("model", "text"), [(Instance, "k1"), (Instance, "no such"), (Signal, "u1"), (History, "x")])
def test_searching_finds_or_finds_nothing(model: type[models.Model], text: str, root: Client, rows: None) -> None:
    assert root.get(url(model, "changelist"), {"q": text}).status_code == 200


def test_searching_by_id(root: Client, rows: None) -> None:
    wanted, *others = Instance.objects.all()
    page = root.get(url(Instance, "changelist"), {"q": str(wanted.public_id)}).content.decode()
    assert str(wanted.public_id) in page
    assert not any(str(each.public_id) in page for each in others)


def test_secrets_are_not_shown(root: Client, rows: None) -> None:
    from apps.catalog.models import EnrolmentToken, ServiceKey

    key, token = ServiceKey.objects.all()[0], EnrolmentToken.objects.all()[0]
    assert "secret" not in root.get(url(ServiceKey, "change", key.pk)).context["adminform"].form.fields
    assert b"secret" not in root.get(url(ServiceKey, "change", key.pk)).content.lower()
    assert token.token_hash.encode() not in root.get(url(EnrolmentToken, "change", token.pk)).content


def test_the_admin_asks_for_a_sign_in(db: None) -> None:
    answer = Client().get("/admin/wf_instances/instance/")
    assert answer.status_code == 302
    assert "/admin/login/" in answer.headers["Location"]


def staff(name: str, *roles: str) -> Client:
    user = User.objects.create_user(name, is_staff=True)
    for role in roles:
        grant(user, role)
    client = Client()
    client.force_login(user)
    return client


def test_the_role_decides_who_looks(rows: None) -> None:
    vera, nobody = staff("vera", "viewer"), staff("nobody")
    assert vera.get(url(Instance, "changelist")).status_code == 200
    assert nobody.get(url(Instance, "changelist")).status_code == 403
    assert b"wf_instances" in vera.get("/admin/").content
    assert b"wf_instances" not in nobody.get("/admin/").content


def test_the_index_asks_for_the_role_once(rows: None) -> None:
    vera = staff("vera", "viewer")
    with CaptureQueriesContext(connection) as context:
        vera.get("/admin/")
    assert len([sql for sql in selects(context) if "auth_user_groups" in sql]) <= 2
