"""The hot queries use the indexes made for them, on tables large enough that a plan matters."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import QuerySet

from apps.execution.log import COLUMNS
from apps.execution.store.postgres import statement
from apps.instances.models import History, Instance, Instruction
from apps.instances.statuses import Status
from apps.lib import bulk
from apps.signals.models import Delivery, Signal, SignalKey
from apps.signals.statuses import Given
from apps.waits.models import Template, Wait

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

NOW = datetime(2026, 1, 1, tzinfo=UTC)

FILL = """
INSERT INTO wf_instance (id, public_id, tenant_id, workflow_id, version_id, key, live_key, status, revision, snapshot,
    error, cancelling, attempts, crashes, alone, retry_at, started_at, started_signal, updated_at, ended_at)
SELECT n, gen_random_uuid(), 1, n % 5, n % 5, 'k' || n, CASE WHEN n % 4 > 0 THEN 'k' || n END,
    CASE WHEN n % 4 = 0 THEN 'completed' WHEN n % 1000 = 1 THEN 'retrying' ELSE 'waiting' END, 1, repeat('x', 300),
    '', false, 0, 0, n % 5000 = 1, CASE WHEN n % 1000 = 1 THEN now() END, now(), n, now(),
    CASE WHEN n % 4 = 0 THEN now() - n * interval '1 minute' END
FROM generate_series(1, 20000) n;
INSERT INTO wf_history (instance_id, seq, kind, at, detail, state, snapshot)
SELECT n / 3 + 1, n % 3 + 1, 'signal', now(), '{}', '{}', repeat('x', 300) FROM generate_series(0, 59999) n;
INSERT INTO wf_instruction (instance_id, kind, args, scope, actor, reason, held, created_at, after_signal)
SELECT n, 'cancel', '[]', '', '', '', n % 100 > 0, now(), 0 FROM generate_series(1, 5000) n;
INSERT INTO wf_wait (instance_id, number, kind, template_id, key_hash, signal, criteria, "where", name, due_at, held,
    since_at, since_signal, function, line, created_at)
SELECT n, 1, 'signal', n % 20, n * 7919, 'S' || n % 20, '{}', '', '', TIMESTAMPTZ '2026-01-01' + n * interval '1 minute',
    false, now(), n, 'run', 1, now()
FROM generate_series(1, 20000) n;
INSERT INTO wf_signal (id, tenant_id, service_id, uid, name, payload, received_at, correlation_id)
SELECT n, 1, 1, 'u' || n, 'S' || n % 20, repeat('x', 100), TIMESTAMPTZ '2026-01-01' + n * interval '1 second', ''
FROM generate_series(1, 40000) n;
INSERT INTO wf_signal_key (service_id, uid, digest, signal_id, received_at)
SELECT 1, 'u' || n, '\\x00', n, now() FROM generate_series(1, 40000) n;
INSERT INTO wf_delivery (signal_id, instance_id, state, created_at)
SELECT n, n % 20000 + 1, CASE WHEN n > 39700 THEN 'ready' ELSE 'consumed' END, now() FROM generate_series(1, 40000) n;
INSERT INTO wf_template (tenant_id, workflow_id, signal, fields, digest)
SELECT tenant, workflow, 'S' || n, '[]', n || '/' || workflow FROM generate_series(1, 2000) n,
    (SELECT min(id) AS tenant FROM wf_tenant) t, (SELECT id AS workflow FROM wf_workflow LIMIT 1) w;
ANALYZE wf_instance, wf_history, wf_instruction, wf_wait, wf_signal, wf_signal_key, wf_delivery, wf_template;
"""


@pytest.fixture(scope="module")
def filled(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Rows without their parents: constraints are checked at the commit, and there is none."""
    from apps.accounts.models import Tenant
    from apps.definitions.models import Workflow

    with django_db_blocker.unblock():
        connection.set_autocommit(False)
        try:
            Workflow.objects.create(tenant=Tenant.objects.default(), name="plans")
            with connection.cursor() as cursor:
                cursor.execute(FILL)
            yield
        finally:
            connection.rollback()
            connection.set_autocommit(True)
            with connection.cursor() as cursor:
                cursor.execute("ANALYZE")


def scans(plan: dict[str, Any]) -> Iterator[str]:
    """Each way a table is read: the index, or the table where it is read whole."""
    if "Index Name" in plan:
        yield plan["Index Name"]
    elif plan["Node Type"] == "Seq Scan":
        yield f"all of {plan['Relation Name']}"
    for child in plan.get("Plans", ()):
        yield from scans(child)


def used(sql: str, values: Any) -> set[str]:
    ((found,),) = bulk.execute(f"EXPLAIN (FORMAT JSON) {sql}", values).rows
    return set(scans(found[0]["Plan"]))


def used_by(rows: QuerySet[Any, Any]) -> set[str]:
    with connection.cursor() as cursor:
        sql, values = rows.query.sql_with_params()
        cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", values)
        return set(scans(cursor.fetchone()[0][0]["Plan"]))


@pytest.mark.usefixtures("filled")
class TestPlans:
    """Read in one transaction, in which the tables are filled."""

    pytestmark = [pytest.mark.postgres]

    def test_match_finds_the_waits_of_a_key(self) -> None:
        keys = list(range(1, 500))
        values = {
            "indexes": keys,
            "templates": [n % 20 for n in keys],
            "hashes": [n * 7919 for n in keys],
            "after": 0,
            "limit": 5001,
        }
        assert used(statement("candidates"), values) == {"wf_wait_match"}

    def test_match_reads_the_log_from_the_cursor(self) -> None:
        rows = Signal.objects.filter(pk__gt=39_000).order_by("pk").values_list(*COLUMNS)[:500]
        assert used_by(rows) == {"wf_signal_pkey"}

    def test_match_reads_the_templates_of_its_names(self) -> None:
        rows = Template.objects.for_signals({1}, {"S1", "S2", "S3"}).values_list("pk")
        assert used_by(rows) == {"wf_template_signal"}

    def test_match_looks_for_live_keys(self) -> None:
        rows = Instance.objects.filter(workflow_id__in={1}, live_key__in={"k1", "k2"}).values_list("live_key")
        assert used_by(rows) == {"wf_instance_live_key"}

    def test_match_knows_when_enough_waits_to_be_applied(self) -> None:
        rows = Delivery.objects.filter(state=Given.READY).order_by().values_list("pk")[:2000]
        assert used_by(rows) == {"wf_delivery_open"}

    def test_resume_finds_what_is_runnable(self) -> None:
        values = {"moment": NOW + timedelta(minutes=50), "after": 0, "limit": 200}
        assert used(statement("runnable"), values) == {
            "wf_delivery_open",
            "wf_instruction_ready",
            "wf_wait_due",
            "wf_instance_pkey",
        }

    def test_resume_loads_the_deliveries_of_its_instances(self) -> None:
        values = {"ids": list(range(1, 201)), "limit": 2000}
        assert used(statement("deliveries"), values) == {"wf_delivery_open", "wf_signal_pkey"}

    def test_resume_loads_waits_and_instructions(self) -> None:
        ids = list(range(1, 101))
        assert used_by(Wait.objects.filter(instance_id__in=ids).values_list("pk")) == {"wf_wait_number"}
        told = Instruction.objects.filter(instance_id__in=ids, held=False).values_list("pk")
        assert used_by(told) == {"wf_instruction_ready"}

    def test_resume_finds_an_instance_that_must_be_alone(self) -> None:
        rows = Instance.objects.filter(alone=True).order_by("pk").values_list("pk", flat=True)
        assert used_by(rows) == {"wf_instance_alone"}

    def test_timers_are_found_by_their_moment(self) -> None:
        rows = Wait.objects.due(NOW + timedelta(minutes=10)).order_by("due_at").values_list("pk")[:500]
        assert used_by(rows) == {"wf_wait_due"}

    def test_retries_are_found_by_their_moment(self) -> None:
        rows = Instance.objects.filter(status=Status.RETRYING, retry_at__lte=NOW).order_by("retry_at")
        assert used_by(rows.values_list("pk")[:500]) == {"wf_instance_retry"}

    def test_look_back_reads_the_log_by_name(self) -> None:
        rows = Signal.objects.filter(tenant_id=1, name__in=["S3"], pk__gt=39_000, pk__lte=40_000).order_by("pk")
        assert used_by(rows.values_list(*COLUMNS)[:1000]) <= {"wf_signal_name", "wf_signal_pkey"}
        rows = Signal.objects.filter(tenant_id=1, name__in=["S3"], pk__gt=100, pk__lte=40_000).order_by("pk")
        assert used_by(rows.values_list(*COLUMNS)[:1000]) == {"wf_signal_name"}

    def test_what_was_given_of_a_signal_is_found(self) -> None:
        assert used_by(Delivery.objects.filter(signal_id__in=[5, 6, 7]).values_list("pk")) == {"wf_delivery_once"}

    def test_ingest_looks_for_uids(self) -> None:
        uids = [f"u{n}" for n in range(100)]
        rows = SignalKey.objects.filter(service_id=1, uid__in=uids).values_list("uid")
        assert used_by(rows) == {"wf_signal_key_uid"}

    def test_a_turn_updates_its_instance_by_its_key(self) -> None:
        arrays, values = bulk.as_arrays(Instance, ["id", "revision", "snapshot"], [(n, 1, "y") for n in range(1, 100)])
        sql = (
            f"UPDATE wf_instance t SET snapshot = u.s FROM unnest({arrays}) AS u (k, r, s) "
            "WHERE t.id = u.k AND t.revision = u.r"
        )
        assert used(sql, values) == {"wf_instance_pkey"}

    def test_history_is_read_by_its_instance(self) -> None:
        rows = History.objects.filter(instance_id=7, seq__gt=1).order_by("seq").values_list("seq")[:50]
        assert used_by(rows) == {"wf_history_seq"}

    def test_lists_of_instances(self) -> None:
        by_workflow = Instance.objects.filter(workflow_id=1, status="paused").order_by("-pk").values_list("pk")[:50]
        assert used_by(by_workflow) == {"wf_instance_list"}
        by_key = Instance.objects.filter(workflow_id=1, key="k6").values_list("pk")
        assert used_by(by_key) == {"wf_instance_key"}
        ended = Instance.objects.filter(ended_at__lt=NOW - timedelta(days=365)).order_by("ended_at").values_list("pk")
        assert used_by(ended[:500]) == {"wf_instance_ended"}
