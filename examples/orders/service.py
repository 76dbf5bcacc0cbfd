"""What both services have in common: events come in, one a line, and go out as signals."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from resumable import Signal
from resumable.client import WorkflowClient

#: Seconds to wait at the end for the engine to have everything.
PATIENCE = 60.0


class Event(msgspec.Struct):
    """A line of the input: which signal, the name of the fact for ever, and its content."""

    signal: str
    uid: str
    payload: msgspec.Raw


def arguments(name: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"The {name} service: pushes the events that it reads from stdin.")
    parser.add_argument("--engine", default="http://127.0.0.1:8000", help="address of the engine")
    parser.add_argument("--outbox", type=Path, default=Path(f"{name}.sqlite3"), help="the service's outbox file")
    parser.add_argument("--enrol", help="enrolment token: `manage.py enrol " + name + "` prints one")
    return parser.parse_args()


def run(name: str, signals: Sequence[type[Signal]]) -> int:
    """Push every line of stdin; at its end wait for the engine and print what became of it."""
    logging.basicConfig(level=logging.INFO)
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # one line for each request
    told = arguments(name)
    known = {each.__name__: each for each in signals}
    with WorkflowClient(name, engine=told.engine, outbox=told.outbox, enrol=told.enrol, signals=signals) as client:
        pushed = sum(push(client, known, line) for line in sys.stdin)
        arrived = client.flush(PATIENCE)
        stats = client.stats()
    print(json.dumps({"pushed": pushed, "pending": stats.pending, "dead": stats.dead}))
    return 0 if arrived and not stats.dead else 1


def push(client: WorkflowClient, known: dict[str, type[Signal]], line: str) -> int:
    event = msgspec.json.decode(line, type=Event)
    client.push(msgspec.json.decode(event.payload, type=known[event.signal]), uid=event.uid)
    return 1
