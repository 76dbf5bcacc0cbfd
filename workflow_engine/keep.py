"""Keeps one command running: `python -m workflow_engine.keep celery …` starts it again when it dies.

A supervisor such as systemd or Kubernetes does the same; this one is for a machine that has none.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from types import FrameType

import structlog

from workflow_engine.processes import dying_with_parent, kill

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.5
LAST_PAUSE_SECONDS = 10.0
#: Less than the 5 seconds after which honcho kills this process.
GRACE_SECONDS = 4.0
#: A command that ran this long is taken to have been well, and is started again without a pause that grows.
WELL_SECONDS = 30.0


class Stopped(BaseException):
    """SIGTERM or SIGINT came."""


def stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


def keep(command: list[str]) -> int:
    """Run `command` until a signal stops this process, or it ends by itself with 0; returns the exit status."""
    pause = FIRST_PAUSE_SECONDS
    while True:
        began = time.monotonic()
        status = run(command)
        if status == 0:
            return 0
        log.error("process.died", command=command[0], status=status, seconds=round(time.monotonic() - began, 1))
        well = time.monotonic() - began > WELL_SECONDS
        pause = FIRST_PAUSE_SECONDS if well else min(2 * pause, LAST_PAUSE_SECONDS)
        time.sleep(pause)  # noqa: TID251 - a signal ends it


def run(command: list[str]) -> int:
    # In a session of its own: a signal to our group must reach the command once, through us, for a second one
    # makes a worker drop its tasks.
    process = subprocess.Popen(  # noqa: S603 - what we are told
        command, start_new_session=True, preexec_fn=dying_with_parent(signal.SIGKILL)
    )
    try:
        return process.wait()
    except Stopped:
        end(process)
        raise


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the command to stop; a worker whose broker is gone already would wait for it for ever."""
    process.terminate()
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)


def main() -> int:
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, stop)
    try:
        return keep(sys.argv[1:])
    except Stopped:
        return 0


if __name__ == "__main__":
    sys.exit(main())
