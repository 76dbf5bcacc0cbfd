"""Doorbells: hints that there is work.

The rows are the truth. A doorbell is sent after the commit, at most one for each transaction and name, and at most
one in `FLAG_MS` for all processes together; a lost one costs the seconds until the next sweep and nothing else. So
no failure of Redis ever reaches the caller.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache

import structlog
from celery import current_app
from django.conf import settings
from django.db import connection, transaction
from kombu.exceptions import KombuError, OperationalError
from redis import Redis
from redis.exceptions import RedisError

log = structlog.get_logger(__name__)

#: The task that each doorbell calls, and the queue it waits in.
DOORBELLS = {"signals.match": "signals", "instances.resume": "instances", "timers.fire": "timers"}

#: How long a doorbell counts as still ringing if nobody answers; it bounds the delay after a lost message.
FLAG_MS = 2000
#: A Redis that hangs may cost a request this much, once in `MUTE_SECONDS`.
TIMEOUT_SECONDS = 0.5
MUTE_SECONDS = 2.0

Sender = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ring:
    """Equal for equal names, so that a transaction's list of callbacks shows whether it rings already."""

    name: str

    def __call__(self) -> None:
        _sender(self.name)


def ring(name: str) -> None:
    """Say after the commit that there is work for the task `name`; at once outside a transaction."""
    if name not in DOORBELLS:
        raise ValueError(f"There is no doorbell {name!r}; there are {', '.join(DOORBELLS)}.")
    bell = Ring(name)
    if not any(bell == entry[1] for entry in connection.run_on_commit):
        transaction.on_commit(bell)


def answered(name: str) -> None:
    """Say that the work of `name` is about to be looked for: whoever has more after this rings again."""
    try:
        redis().delete(flag(name))
    except (RedisError, OSError) as error:
        log.warning("doorbell.unanswered", name=name, error=str(error))


def send(name: str) -> None:
    if mute.is_on():
        return
    try:
        if redis().set(flag(name), "1", nx=True, px=FLAG_MS):
            current_app.send_task(name, queue=DOORBELLS[name], ignore_result=True)
    except (RedisError, KombuError, OperationalError, OSError) as error:
        mute.switch_on()
        log.warning("doorbell.lost", name=name, error=str(error))


_sender: Sender = send


@contextmanager
def sent_to(sender: Sender) -> Iterator[None]:
    """Give the doorbells of this process to `sender` instead of the broker."""
    global _sender
    previous, _sender = _sender, sender
    try:
        yield
    finally:
        _sender = previous


class Mute:
    """After a failure this process rings nothing for a while: each try against a hanging Redis would cost its timeout."""

    def __init__(self) -> None:
        self.until = 0.0

    def is_on(self) -> bool:
        return time.monotonic() < self.until

    def switch_on(self) -> None:
        self.until = time.monotonic() + MUTE_SECONDS

    def switch_off(self) -> None:
        self.until = 0.0


mute = Mute()


def flag(name: str) -> str:
    return f"rf:doorbell:{name}"


def redis() -> Redis:
    return client(settings.REDIS_URL)


@cache
def client(url: str) -> Redis:
    return Redis.from_url(url, socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS)
