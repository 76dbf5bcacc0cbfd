"""`make demo`: plays some hundred orders through the whole engine, kills a worker half way, and checks what came of it."""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
WORKFLOWS = HERE / "workflows"
ROOT = HERE.parent.parent
sys.path[:0] = [str(ROOT), str(WORKFLOWS)]

import django  # noqa: E402 - the path is set above
import plan  # noqa: E402
import report  # noqa: E402
from django.core.management import call_command  # noqa: E402
from shop import Shop  # noqa: E402

from workflow_engine import processes  # noqa: E402
from workflow_engine.run import free_port  # noqa: E402

#: Of these nothing may be taken over: the demo runs on what the engine brings along.
OWN = ("DATABASE_URL", "BROKER_URL", "REDIS_URL", "SECRET_KEY", "WORKFLOW_ENCRYPTION_KEYS", "CELERY_BROKER_URL")
LIMIT_SECONDS = 90.0
TICK_SECONDS = 0.1
#: Without a terminal the line of progress is written anew, seldom.
QUIET_SECONDS = 2.0


class Progress:
    """One line that tells how far it is."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.live = sys.stdout.isatty()
        self.said = 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    def say(self, text: str, *, at_once: bool = False) -> None:
        if not (self.live or at_once) and self.seconds - self.said < QUIET_SECONDS:
            return
        self.said = self.seconds
        line = f"{self.seconds:5.1f} s  {text}"
        print(f"\r\x1b[K{line}" if self.live else line, end="" if self.live else "\n", flush=True)

    def note(self, text: str) -> None:
        self.say(text, at_once=True)
        if self.live:
            print(flush=True)


class Play:
    """The run of one demo."""

    def __init__(self, folder: Path, orders: list[plan.Order]) -> None:
        self.folder = folder
        self.orders = orders
        self.expected = plan.expected(orders)
        self.progress = Progress()
        self.port = free_port("WEB_PORT", 8000)
        self.stack = processes.Stack(
            folder / "logs",
            WORKFLOW_VAR_DIR=str(folder / "engine"),
            WORKFLOW_PATHS=str(WORKFLOWS),
            WEB_PORT=str(self.port),
            WORKER_NAME="1",
        )
        self.address = f"http://127.0.0.1:{self.port}"
        self.killed = 0
        self.gone: set[int] = set()

    def run(self) -> bool:
        """Whether everything came out as it must."""
        with self.stack:
            self.set_up()
            with Shop(self.stack, self.address, self.folder) as shop:
                self.push(shop)
                self.wait("for the orders to end", lambda now: now.ended >= len(self.orders))
                shop.push(each for order in self.orders for each in order.pushes if each.at is None)
                shop.close()
                self.wait("for the late payments", lambda now: now.matched >= self.expected.signals)
        return report.show(self.orders, self.expected, killed=self.killed, seconds=self.progress.seconds)

    def set_up(self) -> None:
        self.progress.note(f"database, broker and logs in {self.folder}")
        self.stack.start("broker")
        os.environ.update(self.stack.environ, WORKFLOW_LOG_LEVEL="WARNING")
        django.setup()
        call_command("migrate", verbosity=0)
        call_command("load_workflows", stdout=io.StringIO())
        self.worker = self.stack.start("worker")
        web = self.stack.start("beat", "web")
        processes.wait_for_web(self.address, alive=lambda: web.poll() is None)
        self.progress.note(f"web, worker, beat and broker are up at {self.address}; {len(self.orders)} orders to come")

    def push(self, shop: Shop) -> None:
        """Each push at its time; when half of the steps are done, the worker dies."""
        due = sorted((each for order in self.orders for each in order.pushes if each.at is not None), key=moment)
        began = self.progress.seconds
        while due or not self.killed:
            if self.progress.seconds > LIMIT_SECONDS:
                raise TimeoutError(f"half of the steps are not done after {LIMIT_SECONDS:.0f} s")
            passed = self.progress.seconds - began
            count = next((index for index, each in enumerate(due) if moment(each) > passed), len(due))
            shop.push(due[:count])
            del due[:count]
            now = self.look()
            if not self.killed and now.steps >= self.expected.steps / 2:
                self.kill_worker()
            time.sleep(TICK_SECONDS)  # noqa: TID251 - the play goes by the clock

    def check(self) -> None:
        """Every process but the killed worker must be there."""
        for each in self.stack.started:
            code = each.poll()
            if code is not None and each.pid not in self.gone:
                raise RuntimeError(f"process {each.pid} has ended with exit code {code}")

    def kill_worker(self) -> None:
        self.gone.add(self.worker.pid)
        processes.kill(self.worker)
        self.killed += 1
        self.progress.note(f"killed the worker (SIGKILL to process {self.worker.pid} and its pool); starting another")
        self.worker = self.stack.start("worker", WORKER_NAME="2")

    def wait(self, what: str, done: Callable[[report.Progress], bool]) -> None:
        while not done(self.look()):
            if self.progress.seconds > LIMIT_SECONDS:
                self.progress.note(f"not over after {LIMIT_SECONDS:.0f} s: waited {what}")
                return
            time.sleep(TICK_SECONDS)  # noqa: TID251 - other processes are waited for

    def look(self) -> report.Progress:
        self.check()
        now = report.progress()
        self.progress.say(
            f"{now.orders} orders  {now.signals} signals  {now.steps} of {self.expected.steps} steps"
            f"  {now.waiting} waiting  {now.ended} ended"
        )
        return now


def moment(push: plan.Push) -> float:
    assert push.at is not None
    return push.at


def stop(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orders", type=int, default=300)
    parser.add_argument("--seed", type=int, default=7)
    told = parser.parse_args()
    for name in OWN:
        os.environ.pop(name, None)
    os.environ["DJANGO_SETTINGS_MODULE"] = "workflow_engine.settings"
    signal.signal(signal.SIGTERM, stop)
    folder = Path(tempfile.mkdtemp(prefix="resumable-demo-"))
    try:
        good = Play(folder, plan.orders(max(told.orders, len(plan.OUTCOMES)), told.seed)).run()
    except KeyboardInterrupt:
        shutil.rmtree(folder, ignore_errors=True)
        print("\nstopped", file=sys.stderr)
        return 130
    except Exception:
        print(f"\nThe logs are in {folder / 'logs'}", file=sys.stderr)
        raise
    if not good:
        print(f"The logs are in {folder / 'logs'}", file=sys.stderr)
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
