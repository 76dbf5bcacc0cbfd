"""A service as a process of its own: pushes numbers and prints each uid once the push has returned."""

from __future__ import annotations

import sys

from resumable.client import WorkflowClient
from tests.integration.client.conftest import QUICK
from tests.integration.client.facts import Paid


def main(engine: str, outbox: str, token: str, count: str, offset: str) -> None:
    client = WorkflowClient("orders", engine=engine, outbox=outbox, enrol=token or None, pace=QUICK)
    for number in range(int(count)):
        uid = client.push(Paid(number=int(offset) + number))
        sys.stdout.write(f"{uid}\n")
        sys.stdout.flush()
    sys.stdin.read()
    client.close(20)


if __name__ == "__main__":
    main(*sys.argv[1:])
