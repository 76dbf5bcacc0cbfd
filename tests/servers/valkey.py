"""A private Valkey or Redis on a Unix socket."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.servers import process
from workflow_engine import processes
from workflow_engine.broker import command


class Valkey:
    """Starts on demand; can be killed and started again at the same address, as a fault test needs."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or process.private_folder("valkey")
        self.socket = self.folder / "valkey.sock"
        self.running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """As kombu reads it; `workflow_engine.env.redis` turns it into the Redis client's spelling."""
        return f"redis+socket://{self.socket}"

    @property
    def client(self) -> Redis:
        return Redis(unix_socket_path=str(self.socket), socket_timeout=5)

    def start(self) -> Valkey:
        if self.running is None or self.running.poll() is not None:
            log = self.folder / "server.log"
            self.running = processes.start(command(self.socket), log, death_signal=signal.SIGTERM)
            process.wait_until(self.answers, self.running, log)
        return self

    def answers(self) -> bool:
        try:
            with self.client as client:
                return bool(client.ping())
        except RedisError:
            return False

    def kill(self) -> None:
        """End it as a crash would."""
        if self.running is not None:
            processes.stop(self.running, signal.SIGKILL)

    def stop(self) -> None:
        if self.running is not None:
            processes.stop(self.running, signal.SIGTERM)
            self.running = None

    def close(self) -> None:
        """Stop it and remove all it has written."""
        self.stop()
        process.remove(self.folder)
