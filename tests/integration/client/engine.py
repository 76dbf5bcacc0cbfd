"""A real HTTP server that behaves as an engine does, and misbehaves when told to."""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from resumable.wire import signature

TOKEN = "enrol-me"


@dataclass
class Reply:
    """What to answer instead of the right thing."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    #: Treat the request first, so that it took effect although its sender is told otherwise.
    after_effect: bool = False


class Engine:
    """Keeps what it accepted, in the order it came. Use as a context manager."""

    def __init__(self, port: int = 0) -> None:
        self.signals: list[dict[str, Any]] = []
        self.starts: list[tuple[str, dict[str, Any]]] = []
        self.declared: dict[str, Any] = {}
        self.keys: dict[str, str] = {}
        self.tokens = {TOKEN}
        self.requests: list[tuple[str, int, float]] = []
        self.encodings: list[str] = []
        self.duplicates = 0
        self.script: deque[Reply] = deque()
        self.reject: Callable[[dict[str, Any]], tuple[str, str] | None] = lambda item: None
        self.gate = threading.Event()
        self.gate.set()
        self.takes_gzip = True
        self.stale = False
        self._changed = threading.Condition()
        engine = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                engine.handle(self)

            do_PUT = do_POST

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def uids(self) -> list[str]:
        return [each["uid"] for each in self.signals]

    def __enter__(self) -> Engine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait(self, condition: Callable[[Engine], bool], timeout: float = 20.0) -> None:
        """Returns when ``condition`` holds, which is looked at after each request."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), timeout), (
                f"not reached: {len(self.signals)} signals, requests {self.requests[-5:]}"
            )

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        raw = request.rfile.read(int(request.headers["Content-Length"]))
        self.gate.wait()
        with self._changed:
            reply = self.script.popleft() if self.script else None
            if reply is None or reply.after_effect:
                answer = self._treat(request, raw)
                reply = reply or answer
            self.requests.append((request.path, reply.status, time.monotonic()))
        self._write(request, reply)
        with self._changed:
            self._changed.notify_all()

    def _write(self, request: BaseHTTPRequestHandler, reply: Reply) -> None:
        body = json.dumps(reply.body).encode()
        kind = "application/problem+json" if isinstance(reply.body, dict) and "code" in reply.body else "text/plain"
        request.send_response(reply.status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **reply.headers}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(body)

    def _treat(self, request: BaseHTTPRequestHandler, raw: bytes) -> Reply:
        encoding = request.headers.get("Content-Encoding", "")
        self.encodings.append(encoding)
        if request.path == "/api/v1/services/register":
            return self._register(json.loads(raw))
        if refusal := self._unauthorized(request, raw):
            return refusal
        if encoding == "gzip" and not self.takes_gzip:
            return problem(415, "unsupported_encoding")
        body = json.loads(gzip.decompress(raw) if encoding == "gzip" else raw)
        if request.path == "/api/v1/signals":
            return self._accept(body)
        if request.path.endswith("/start"):
            return self._start(request.path.split("/")[-2], body)
        if request.command == "PUT" and request.path.endswith("/signals"):
            self.declared.update(body["signals"])
            return Reply(200, {"declared": sorted(body["signals"]), "rejected": []})
        return Reply(404, "no such page")

    def _unauthorized(self, request: BaseHTTPRequestHandler, raw: bytes) -> Reply | None:
        key = self.keys.get(request.headers.get(signature.KEY_HEADER, ""))
        now = time.time() + (1_000 if self.stale else 0)
        try:
            signature.verify(
                request.headers.get(signature.SIGNATURE_HEADER),
                keys=[key.encode()] if key else [],
                method=request.command,
                target=request.path,
                body=raw,
                now=now,
            )
        except signature.SignatureError as error:
            return problem(401, error.code, now=now)
        return None

    def _register(self, body: dict[str, Any]) -> Reply:
        if body.get("token") not in self.tokens:
            return problem(401, "enrolment_token_invalid")
        self.tokens.discard(body["token"])
        number = len(self.keys) + 1
        self.keys[f"key-{number}"] = f"secret-{number}"
        self.declared.update(body.get("signals", {}))
        return Reply(200, {"service": body["service"], "key_id": f"key-{number}", "key": f"secret-{number}"})

    def _accept(self, found: Any) -> Reply:
        assert isinstance(found, list)
        known = {each["uid"]: each for each in self.signals}
        accepted, duplicates, rejected = 0, 0, []
        for index, item in enumerate(found):
            refusal = self.reject(item)
            if refusal is None and item["name"] not in self.declared:
                refusal = ("unknown_signal", item["name"])
            if refusal is not None:
                rejected.append({"index": index, "uid": item["uid"], "code": refusal[0], "detail": refusal[1]})
            elif item["uid"] in known:
                duplicates += 1
            else:
                accepted += 1
                known[item["uid"]] = item
                self.signals.append(item)
        self.duplicates += duplicates
        return Reply(202, {"accepted": accepted, "duplicates": duplicates, "rejected": rejected})

    def _start(self, workflow: str, body: dict[str, Any]) -> Reply:
        if workflow == "Unknown":
            return problem(404, "unknown_workflow")
        self.starts.append((workflow, body))
        return Reply(201, {"id": f"instance-{len(self.starts)}", "status": "running"})


def problem(status: int, code: str, **more: Any) -> Reply:
    return Reply(status, {"type": "about:blank", "title": code, "status": status, "code": code, **more})
