from __future__ import annotations

import pytest
from django.db import transaction

from apps.lib import doorbell


@pytest.mark.django_db(transaction=True)
def test_a_transaction_rings_each_bell_once_and_after_its_commit(doorbells: list[str]) -> None:
    with transaction.atomic():
        doorbell.ring("signals.match")
        doorbell.ring("instances.resume")
        with transaction.atomic():
            doorbell.ring("signals.match")

        assert doorbells == []

    assert doorbells == ["signals.match", "instances.resume"]


@pytest.mark.django_db(transaction=True)
def test_what_is_rolled_back_rings_nothing(doorbells: list[str]) -> None:
    with transaction.atomic():
        doorbell.ring("signals.match")
        transaction.set_rollback(True)

    assert doorbells == []


@pytest.mark.django_db(transaction=True)
def test_a_bell_of_a_savepoint_that_was_undone_can_ring_again(doorbells: list[str]) -> None:
    with transaction.atomic():
        with transaction.atomic():
            doorbell.ring("signals.match")
            transaction.set_rollback(True)
        doorbell.ring("signals.match")

    assert doorbells == ["signals.match"]


def test_an_unknown_bell_is_named() -> None:
    with pytest.raises(ValueError, match=r"timers\.later"):
        doorbell.ring("timers.later")
