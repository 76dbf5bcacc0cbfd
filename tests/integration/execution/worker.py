"""One worker process without a broker: sweeps, then steps until it is at rest or dead."""

from __future__ import annotations

import django


def work() -> None:
    from apps.execution.services import claims, match, resume
    from apps.lib import doorbell

    with doorbell.sent_to(lambda name: None):
        claims.recover()
        while match.match().signals or resume.resume().instances:
            pass


if __name__ == "__main__":
    django.setup()
    work()
