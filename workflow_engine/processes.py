"""The engine's processes on this machine, as the Procfile names them."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

ROOT = Path(__file__).resolve().parent.parent
PROCFILE = ROOT / "Procfile"
KEEPER = "python -m workflow_engine.keep "
HOST = "127.0.0.1"
#: What a small engine is made of; Flower is left out because only people need it.
ENGINE = ("broker", "web", "worker", "beat")
STOP_SECONDS = 15.0
PR_SET_PDEATHSIG = 1

Process = subprocess.Popen[bytes]


def commands() -> dict[str, str]:
    """name → shell command, in the order of the Procfile."""
    lines = (line.partition(":") for line in PROCFILE.read_text().splitlines() if line and not line.startswith("#"))
    return {name.strip(): command.strip() for name, _, command in lines}


def environment(**changes: str) -> dict[str, str]:
    """This process's environment, such that `python`, `celery` and `granian` are those of this interpreter."""
    binaries = str(Path(sys.executable).parent)
    return os.environ | {
        "PATH": os.pathsep.join((binaries, os.environ.get("PATH", os.defpath))),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "workflow_engine.settings",
        **changes,
    }


def dying_with_parent(death_signal: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the child gets `death_signal` when the thread that started it ends, however it ends."""

    def arrange() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)

    return arrange


def start(
    command: list[str] | str, log: Path, *, death_signal: signal.Signals = signal.SIGTERM, **more: Any
) -> Process:
    """Start `command` in a session of its own, so that Ctrl-C reaches only us and we stop it in order."""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the caller's own
            command,
            shell=isinstance(command, str),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=dying_with_parent(death_signal),
            **more,
        )


def stop(process: Process, *signals: signal.Signals, seconds: float = STOP_SECONDS) -> None:
    """Send each signal in turn, and SIGKILL at last, until the process has ended; then end what it left behind."""
    for each in (*signals, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(each)
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                continue
    kill(process)


def kill(process: Process) -> None:
    """End the process and its children at once, as a crash of the machine would."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


class Stack:
    """The engine, up for the length of a `with` block.

    Logs are in `folder`, one file for each process. `address` is where the web process answers, on a port of its own
    unless WEB_PORT names one.
    """

    def __init__(self, folder: Path, **environ: str) -> None:
        self.folder = folder
        self.environ = environment(**({"WEB_PORT": str(unused_port())} | environ))
        self.address = f"http://{HOST}:{self.environ['WEB_PORT']}"
        # Who starts a stack decides what happens when one of its processes dies.
        self.commands = {name: command.replace(KEEPER, "") for name, command in commands().items()}
        self.started: list[Process] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def manage(self, *arguments: str) -> str:
        """Run `manage.py` and return what it printed; CalledProcessError when it fails."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        done = subprocess.run(command, cwd=ROOT, env=self.environ, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603
        return done.stdout

    def up(self) -> Self:
        """Migrate, start broker (unless BROKER_URL names one), web, worker and beat, and wait until they answer."""
        self.manage("migrate", "--verbosity", "0")
        self.manage("load_workflows")
        self.start(*(name for name in ENGINE if name != "broker" or "BROKER_URL" not in self.environ))
        wait_for_web(self.address, alive=lambda: all(each.poll() is None for each in self.started))
        return self

    def start(self, *names: str, **environ: str) -> Process:
        """Start processes of the Procfile; returns the last. `environ` holds for these alone."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            log = self.folder / f"{name}.log"
            self.started.append(start(self.commands[name], log, cwd=ROOT, env=self.environ | environ))
        return self.started[-1]

    def stop(self) -> None:
        """Stop everything, last started first, so that the broker is there until nobody needs it."""
        while self.started:
            stop(self.started.pop(), signal.SIGTERM)


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def wait_for_web(address: str, *, seconds: float = 60.0, alive: Callable[[], bool] = lambda: True) -> None:
    """Wait until the engine at `address` answers; TimeoutError when it does not, or is no longer `alive`."""
    deadline = time.monotonic() + seconds
    while not answers(f"{address}/healthz"):
        if time.monotonic() > deadline or not alive():
            raise TimeoutError(f"the engine does not answer at {address}")
        time.sleep(0.1)  # noqa: TID251 - another process is waited for


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (HTTPError, URLError, OSError):
        return False
