"""Answers other than 202: what is tried again, what is given up, and at what pace."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from resumable.client import Pace, WorkflowClient
from tests.integration.client.conftest import QUICK
from tests.integration.client.engine import Engine, Reply, problem
from tests.integration.client.facts import Paid
from tests.waiting import until

Connect = Callable[..., WorkflowClient]


@pytest.fixture
def client(engine: Engine, connect: Connect) -> WorkflowClient:
    """A client that is enrolled and has declared its signal, so that only pushes are left to be answered."""
    made = connect(signals=[Paid])
    made.push(Paid(number=0), uid="zero")
    assert made.flush(20)
    engine.requests.clear()
    return made


def times(engine: Engine) -> list[float]:
    return [at for _, _, at in engine.requests]


def test_a_rejected_item_is_a_dead_letter_with_its_reason_and_the_others_are_sent(
    engine: Engine, client: WorkflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    engine.reject = lambda item: ("invalid_payload", "odd") if item["payload"]["number"] % 2 else None
    uids = client.push_many([Paid(number=number) for number in range(1, 7)])
    assert client.flush(20)
    assert engine.uids[1:] == uids[1::2]
    outcome = client.outcome(uids[0])
    assert outcome is not None
    assert (outcome.status, outcome.code, outcome.detail) == ("dead", "invalid_payload", "odd")
    until(lambda: f"dead_letter uid={uids[0]} code=invalid_payload" in caplog.text)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_batch_refused_as_a_whole_is_halved_until_the_culprit_stands_alone(
    engine: Engine, client: WorkflowClient, status: int
) -> None:
    poison = 37
    accept = engine._accept

    def judge(found: Any) -> Reply:
        bad = any(item["payload"]["number"] == poison for item in found)
        return problem(status, "malformed_body", detail="a poisoned one") if bad else accept(found)

    engine._accept = judge  # type: ignore[method-assign]
    uids = client.push_many([Paid(number=number) for number in range(100)])
    assert client.flush(20)
    assert engine.uids[1:] == uids[:poison] + uids[poison + 1 :]
    assert client.outcome(uids[poison]).code == "malformed_body"  # type: ignore[union-attr]


def test_an_item_that_makes_the_engine_fail_is_found_and_given_up_in_the_end(engine: Engine, connect: Connect) -> None:
    accept = engine._accept

    def judge(found: Any) -> Reply:
        return Reply(500, "oops") if any(item["payload"]["number"] == 5 for item in found) else accept(found)

    engine._accept = judge  # type: ignore[method-assign]
    client = connect(pace=Pace(first_retry=0.01, slowest_retry=0.02, poll=0.2, gap=0.001, poison=0.1))
    uids = client.push_many([Paid(number=number) for number in range(10)])
    assert client.flush(20)
    assert client.outcome(uids[5]).code == "engine_fault"  # type: ignore[union-attr]
    assert engine.uids == uids[:5] + uids[6:]


def test_an_engine_that_fails_for_all_costs_nothing(engine: Engine, client: WorkflowClient) -> None:
    engine.script.extend([Reply(500, "oops")] * 8)
    uids = client.push_many([Paid(number=number) for number in range(50)])
    assert client.flush(20)
    assert engine.uids[1:] == uids


@pytest.mark.parametrize(
    "answer", [Reply(404, "no such page"), Reply(403, "forbidden by a proxy"), Reply(301, "moved")]
)
def test_what_a_proxy_says_is_no_refusal(engine: Engine, client: WorkflowClient, answer: Reply) -> None:
    engine.script.append(answer)
    uid = client.push(Paid(number=1))
    assert client.flush(20)
    assert engine.uids[-1] == uid


@pytest.mark.parametrize("answer", [Reply(202, "not json {"), Reply(200, {"hello": 1}), Reply(202, {"rejected": 5})])
def test_a_success_that_is_not_the_engines_is_no_success(engine: Engine, client: WorkflowClient, answer: Reply) -> None:
    engine.script.append(answer)
    uid = client.push(Paid(number=1))
    assert client.flush(20)
    assert engine.uids[-1] == uid


def test_retry_after_is_waited_out(engine: Engine, client: WorkflowClient) -> None:
    engine.script.append(Reply(503, problem(503, "unavailable").body, {"Retry-After": "1"}))
    client.push(Paid(number=1))
    assert client.flush(20)
    first, second = times(engine)[:2]
    assert second - first >= 1.0


def test_retry_after_may_be_a_date(engine: Engine, client: WorkflowClient) -> None:
    when = time.time() + 2
    engine.script.append(Reply(429, problem(429, "rate_limited").body, {"Retry-After": formatdate(when, usegmt=True)}))
    client.push(Paid(number=1))
    assert client.flush(20)
    assert time.time() >= int(when)


@pytest.mark.parametrize("text", ["soon", "-5", "1.5e9", "Mon, 99 Foo 2026"])
def test_a_senseless_retry_after_is_no_reason_to_stop(engine: Engine, client: WorkflowClient, text: str) -> None:
    engine.script.append(Reply(503, "busy", {"Retry-After": text}))
    client.push(Paid(number=1))
    assert client.flush(20)


def test_failures_slow_down_and_a_success_speeds_up_again(engine: Engine, client: WorkflowClient) -> None:
    engine.script.extend([Reply(503, "busy")] * 6)
    client.push(Paid(number=1))
    assert client.flush(20)
    gaps = [after - before for before, after in zip(times(engine), times(engine)[1:], strict=False)]
    assert gaps[0] < gaps[4]
    assert all(gap >= QUICK.first_retry / 2 for gap in gaps)


def test_pushing_does_not_hurry_a_client_that_backs_off(engine: Engine, connect: Connect) -> None:
    client = connect(pace=Pace(first_retry=0.5, slowest_retry=0.5, poll=0.2))
    client.push(Paid(number=0))
    assert client.flush(20)
    engine.requests.clear()
    engine.script.append(Reply(503, "busy"))
    for number in range(200):
        client.push(Paid(number=number))
    assert client.flush(20)
    first, second = [
        at
        for (_, status, at), (_, _, at_) in zip(engine.requests, engine.requests[1:], strict=False)
        for at in (at, at_)
        if status == 503
    ]
    assert second - first >= 0.25


def test_an_unknown_workflow_is_a_dead_letter(engine: Engine, client: WorkflowClient) -> None:
    uid = client.start("Unknown")
    assert client.flush(20)
    outcome = client.outcome(uid)
    assert outcome is not None
    assert (outcome.status, outcome.code) == ("dead", "unknown_workflow")


def test_a_stalled_engine_holds_up_no_push(engine: Engine, connect: Connect) -> None:
    client = connect(pace=Pace(answer=0.1, connect=0.1, first_retry=0.02, poll=0.2))
    client.push(Paid(number=0))
    assert client.flush(20)
    engine.gate.clear()
    uids = [client.push(Paid(number=number)) for number in range(20)]
    until(lambda: client.outcome(uids[0]).attempts >= 2, what="two tries in vain")  # type: ignore[union-attr]
    assert client.stats().pending == 20
    engine.gate.set()
    assert client.flush(20)
    assert engine.uids[1:] == uids


def test_nothing_is_sent_while_there_is_nothing(engine: Engine, client: WorkflowClient) -> None:
    until(lambda: client._runtime.dispatcher._due["take_over"] > 0)  # type: ignore[union-attr]
    assert engine.requests == []


def test_a_declaration_the_engine_has_lost_is_made_again(engine: Engine, client: WorkflowClient) -> None:
    engine.declared.clear()
    uids = client.push_many([Paid(number=number) for number in range(5)])
    assert client.flush(20)
    assert engine.uids[1:] == uids


def test_a_signal_nobody_can_declare_is_a_dead_letter(
    engine: Engine, client: WorkflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    engine.reject = lambda item: ("unknown_signal", "never heard of it")
    uid = client.push(Paid(number=1))
    assert client.flush(20)
    assert client.outcome(uid).code == "unknown_signal"  # type: ignore[union-attr]
