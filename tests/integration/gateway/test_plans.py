"""The lists are read from the indexes that were made for them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Tenant
from apps.definitions.models import Artifact, Version, Workflow
from apps.instances.models import History, Instance
from apps.lib.clock import now
from apps.signals.models import Signal
from apps.waits.models import Template, Wait
from tests.integration.gateway.callers import Person

pytestmark = pytest.mark.postgres

ROWS = 2000


@pytest.fixture
def many(tenant: Tenant) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    for number, owner in enumerate((tenant, tenant, other, other)):
        fill(owner, number)
    for model in (Instance, Wait, History, Signal):
        with connection.cursor() as cursor:
            cursor.execute(f'ANALYZE "{model._meta.db_table}"')


def fill(owner: Tenant, number: int) -> None:
    artifact = Artifact.objects.create(hash=f"{number}" * 64, files={})
    workflow = Workflow.objects.create(tenant=owner, name=f"W{number}")
    version = Version.objects.create(workflow=workflow, artifact=artifact, label="1", module="m", qualname="W")
    made = Instance.objects.bulk_create(
        Instance(
            tenant=owner,
            workflow=workflow,
            version=version,
            key=f"k{key}",
            status="waiting" if key % 100 else "paused",
        )
        for key in range(ROWS)
    )
    template = Template.objects.create(tenant=owner, workflow=workflow, signal="Paid", digest=f"{number}")
    Wait.objects.bulk_create(
        Wait(instance=each, number=1, kind="signal", template=template, signal="Paid", since_at=now()) for each in made
    )
    History.objects.bulk_create(History(instance=each, seq=seq, kind="signal") for each in made[:500] for seq in (1, 2))
    Signal.objects.bulk_create(
        Signal(id=number * ROWS + key + 1, tenant=owner, uid=f"u{key}", name=f"N{key % 50}", payload="{}")
        for key in range(ROWS)
    )


# One test for all, because the rows take longer than the questions.
LISTS = {
    "instances?limit=20": "wf_instance_tenant|wf_instance_pkey",
    "instances?workflow=W1&status=paused&limit=20": "wf_instance_list",
    "instances?workflow=W1&key=k7": "wf_instance_key",
    "instances?key=k7": "wf_instance_key",
    "instances/{id}/history": "wf_history_seq",
    "instances/{id}/waits": "wf_wait_number",
    "waits?limit=20": "wf_wait_pkey",
    "signals?limit=20": "wf_signal_pkey|wf_signal_name",
    "signals?name=N7&limit=20": "wf_signal_name",
}


def test_lists_use_their_indexes(viewer: Person, many: None) -> None:
    instance = Instance.objects.filter(workflow__name="W1").order_by("pk")[250]
    for path, index in LISTS.items():
        plan = plan_of(viewer, path.format(id=instance.public_id), table_of(path))
        assert f"Seq Scan on {table_of(path)}" not in plan, plan
        assert any(name in plan for name in index.split("|")), plan


def table_of(path: str) -> str:
    name = path.split("?")[0].split("/")[-1]
    return {"history": "wf_history"}.get(name, f"wf_{name.removesuffix('s')}")


def plan_of(viewer: Person, path: str, table: str) -> str:
    with CaptureQueriesContext(connection) as context:
        assert viewer.get(f"/api/v1/{path}").json()["items"]
    lists = [each["sql"] for each in context if f'FROM "{table}"' in each["sql"] and "LIMIT" in each["sql"]]
    (query,) = [each for each in lists if '"public_id" =' not in each]
    return explained(query)


def explained(query: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {query}")
        rows: list[Any] = cursor.fetchall()
    return "\n".join(row[0] for row in rows)
