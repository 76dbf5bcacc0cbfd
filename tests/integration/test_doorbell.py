from __future__ import annotations

import time
from typing import Any

import pytest

from apps.lib import doorbell
from tests.servers.valkey import Valkey
from workflow_engine.env import redis as redis_url


@pytest.mark.django_db(transaction=True)
def test_a_bell_rings_once_until_it_is_answered(broker: str) -> None:
    client = doorbell.redis()
    client.delete("rf:signals")

    for _ in range(5):
        doorbell.ring("signals.match")
    assert client.llen("rf:signals") == 1

    doorbell.answered("signals.match")
    doorbell.ring("signals.match")
    assert client.llen("rf:signals") == 2
    client.delete("rf:signals")


@pytest.mark.django_db(transaction=True)
def test_a_dead_broker_costs_one_short_wait_and_no_error(private_valkey: Valkey, settings: Any) -> None:
    doorbell.mute.switch_off()
    settings.REDIS_URL = redis_url(private_valkey.url)
    private_valkey.kill()
    began = time.monotonic()

    for _ in range(100):
        doorbell.ring("signals.match")
    doorbell.answered("signals.match")

    assert time.monotonic() - began < 4 * doorbell.TIMEOUT_SECONDS
    doorbell.mute.switch_off()
