"""One worker process without a broker: sweeps, then steps until it is at rest or dead. Prints what it took for a turn."""

from __future__ import annotations

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_engine.settings")
django.setup()

from apps.execution.services import claims, match, resume
from apps.lib import doorbell


def work() -> None:
    with doorbell.sent_to(lambda name: None):
        claims.recover()
        while match.match().signals or resume.resume().instances:
            pass


if __name__ == "__main__":
    work()
