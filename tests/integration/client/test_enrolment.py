"""How a service comes to its key, keeps it, and what happens when it is refused."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from resumable.client import WorkflowClient
from tests.integration.client.engine import TOKEN, Engine, Reply
from tests.integration.client.facts import Paid, Shipped
from tests.waiting import until

Connect = Callable[..., WorkflowClient]


def registrations(engine: Engine) -> int:
    return sum(1 for path, _, _ in engine.requests if path.endswith("/register"))


def test_the_token_is_used_once_and_the_key_is_kept(engine: Engine, connect: Connect, path: Path) -> None:
    for number in range(3):
        client = connect(enrol=TOKEN if number == 0 else None)
        client.push(Paid(number=number))
        assert client.flush(20)
        client.close()
    assert registrations(engine) == 1
    assert len(engine.signals) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_what_is_given_at_the_start_is_declared_with_the_enrolment(engine: Engine, connect: Connect) -> None:
    client = connect(signals=[Paid, Shipped])
    client.push(Paid(number=1))
    assert client.flush(20)
    assert set(engine.declared) == {"Paid", "orders.shipped"}
    assert not any(path.endswith("/orders/signals") for path, _, _ in engine.requests)


def test_without_token_nothing_is_lost_and_the_log_says_what_to_do(
    engine: Engine, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    poor = connect(enrol=None)
    uid = poor.push(Paid(number=1))
    until(lambda: "pass enrol=" in caplog.text)
    assert poor.stats().pending == 1
    poor.close()
    assert connect().flush(20)
    assert engine.uids == [uid]


def test_a_token_that_is_refused_is_not_tried_again(
    engine: Engine, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(enrol="stolen")
    client.push(Paid(number=1))
    until(lambda: "ask an operator for a new one" in caplog.text)
    until(lambda: "pass enrol=" in caplog.text)
    assert registrations(engine) == 1
    assert client.stats().pending == 1


def test_an_engine_that_is_away_does_not_spend_the_token(engine: Engine, connect: Connect) -> None:
    engine.script.extend([Reply(503, "starting"), Reply(502, "starting")])
    client = connect()
    client.push(Paid(number=1))
    assert client.flush(20)
    assert registrations(engine) == 3


def test_a_refused_key_is_replaced_with_a_token_at_hand(engine: Engine, connect: Connect) -> None:
    first = connect()
    first.push(Paid(number=1))
    assert first.flush(20)
    first.close()
    engine.keys = {"key-x": "another"}
    engine.tokens.add("second token")
    client = connect(enrol="second token")
    uid = client.push(Paid(number=2))
    assert client.flush(20)
    assert engine.uids[-1] == uid


def test_a_refused_key_without_token_keeps_everything(
    engine: Engine, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect()
    client.push(Paid(number=0))
    assert client.flush(20)
    keys, engine.keys = engine.keys, {}
    uid = client.push(Paid(number=1))
    until(lambda: "credential_refused service=orders" in caplog.text)
    assert client.stats().pending == 1
    engine.keys = keys
    assert client.flush(20)
    assert engine.uids[-1] == uid
    assert client.stats().dead == 0


def test_clocks_that_differ_are_said_and_cost_no_key(
    engine: Engine, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect()
    client.push(Paid(number=0))
    assert client.flush(20)
    engine.stale = True
    client.push(Paid(number=1))
    until(lambda: "the clocks of service and engine differ" in caplog.text)
    engine.stale = False
    assert client.flush(20)
    assert registrations(engine) == 1


def test_a_service_name_must_fit_into_a_path(connect: Connect, path: Path) -> None:
    with pytest.raises(ValueError, match="service"):
        WorkflowClient("a/b", engine="http://127.0.0.1:1", outbox=path)
