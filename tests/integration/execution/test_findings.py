"""Rule 16: dead ends are found, and said with what to do."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from apps.catalog.services import Declaration, declare_own
from apps.execution.services.findings import findings
from apps.waits.models import Wait
from tests.integration.execution.flows import ORDERS, SIGNALS
from tests.integration.execution.harness import Harness

KEYLESS = (
    SIGNALS
    + """

class Listener(Workflow, starts_on=Placed):
    async def run(self, placed: Placed) -> int:
        return (await Paid.match(amount__gte=placed.total)).amount
"""
)


def codes(engine: Harness) -> list[str]:
    return [each.code for each in findings(engine.tenant)]


def test_nothing_is_found_where_everything_can_go_on(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    engine.send("Paid", order="A1")
    assert codes(engine) == []
    told = StringIO()
    call_command("check_workflows", stdout=told)
    assert "Nothing found" in told.getvalue()


def test_rule_16_an_instance_with_nothing_to_wait_for_is_found(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    engine.send("Paid", order="A1")
    Wait.objects.all().delete()
    (found,) = findings(engine.tenant)
    assert found.code == "instance_without_waits"
    assert str(engine.only().public_id) in found.what
    told = StringIO()
    with pytest.raises(CommandError, match="1 found"):
        call_command("check_workflows", stdout=told)
    assert "Rewind it" in told.getvalue()


def test_rule_16_a_wait_that_no_service_can_satisfy_is_found(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    (found,) = findings(engine.tenant)
    assert found.code == "signal_of_nobody"
    assert "Orders waits for Paid" in found.what


def test_a_signal_that_a_service_declares_is_not_of_nobody(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="A1", total=2)
    declare_own(engine.service, [Declaration(name="Paid", schema={"type": "object"})])
    assert codes(engine) == []


def test_waits_without_a_key_are_reported(engine: Harness) -> None:
    engine.deploy(KEYLESS)
    engine.send("Placed", order="A1")
    engine.send("Paid", order="A1", amount=0)
    assert codes(engine) == ["wait_without_key"]


def test_a_file_that_does_not_load_is_reported(engine: Harness) -> None:
    engine.deploy("def broken(:\n", file="broken.py")
    (found,) = findings(engine.tenant)
    assert found.code == "file_does_not_load"
    assert "broken.py:1" in found.what
