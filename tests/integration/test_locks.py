from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.db import connection, transaction
from django.db.transaction import TransactionManagementError

from apps.lib import locks


@pytest.mark.django_db(transaction=True)
def test_a_lock_outside_a_transaction_is_refused() -> None:
    with pytest.raises(TransactionManagementError, match="'match'"):
        locks.advisory("match")


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_one_transaction_at_a_time_holds_a_name() -> None:
    seen: list[bool] = []

    def other() -> None:
        with transaction.atomic():
            seen.append(locks.try_advisory("match"))
            seen.append(locks.try_advisory("another"))
        connection.close()

    with transaction.atomic():
        locks.advisory("match")
        run(other)
    run(other)

    assert seen == [False, True, True, True]


def run(target: Callable[[], None]) -> None:
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()


def test_ids_are_locked_in_one_order() -> None:
    assert locks.ascending([3, 1, 3, 2]) == [1, 2, 3]
