"""Signed requests to the engine over HTTP, and what an answer means."""

from __future__ import annotations

import enum
import gzip
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import httpx2
import msgspec

from resumable.client.pace import Pace
from resumable.wire import signature
from resumable.wire.bodies import Problem

logger = logging.getLogger(__name__)

#: Smaller bodies are sent as they are: gzip would make them longer.
COMPRESS_FROM = 1_024


class EngineAway(Exception):
    """No answer that could be acted on: try again later.

    ``retry_after`` is what the engine asked for, in seconds; ``poison`` says that it
    answered 500, which one item of the request may be the reason of.
    """

    def __init__(self, reason: str, *, retry_after: float | None = None, poison: bool = False) -> None:
        super().__init__(reason)
        self.retry_after = retry_after
        self.poison = poison


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """What this service signs with. The secret is the ASCII bytes of ``key``."""

    service: str
    key_id: str
    key: str

    def __repr__(self) -> str:
        return f"Credential(service={self.service!r}, key_id={self.key_id!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer; ``problem`` if the engine itself said what is wrong."""

    status: int
    body: bytes
    problem: Problem | None = None
    retry_after: float | None = None


class Verdict(enum.Enum):
    """What to do next."""

    DONE = "done"
    RETRY = "retry"
    REFUSED = "refused"
    UNAUTHORIZED = "unauthorized"


#: 4xx that speak of the moment and not of the request.
_PASSING = frozenset({408, 425, 429})


def verdict(answer: Answer) -> Verdict:
    """What an answer means for what was sent.

    Only the engine may refuse: a 4xx that carries no problem with a code comes from
    something between, such as a proxy that knows no such path, and is no reason to
    give anything up.
    """
    if 200 <= answer.status < 300:
        return Verdict.DONE
    if answer.problem is None or answer.status in _PASSING or not 400 <= answer.status < 500:
        return Verdict.RETRY
    if answer.status in (401, 403):
        return Verdict.UNAUTHORIZED
    return Verdict.REFUSED


class Transport:
    """One connection pool to one engine. Not for use in a forked child."""

    def __init__(self, engine: str, pace: Pace, *, clock: Callable[[], float] = time.time) -> None:
        timeout = httpx2.Timeout(pace.answer, connect=pace.connect)
        # No proxy or .netrc of the environment: a signed request goes to the engine and nowhere else.
        self._http = httpx2.Client(
            base_url=engine.rstrip("/"), timeout=timeout, follow_redirects=False, trust_env=False
        )
        self._clock = clock
        self._gzip = True

    def send(self, method: str, path: str, body: bytes, credential: Credential | None = None) -> Answer:
        """One request, signed if there is a credential.

        :raises EngineAway: no connection, no answer in time, or no HTTP.
        """
        squeezed = self._gzip and len(body) >= COMPRESS_FROM
        answer = self._send(method, path, gzip.compress(body, 1, mtime=0) if squeezed else body, squeezed, credential)
        if squeezed and answer.status == 415:
            logger.warning("engine_takes_no_gzip path=%s", path)
            self._gzip = False
            answer = self._send(method, path, body, False, credential)
        return answer

    def _send(self, method: str, path: str, body: bytes, squeezed: bool, credential: Credential | None) -> Answer:
        request = self._http.build_request(method, path, content=body, headers={"Content-Type": "application/json"})
        if squeezed:
            request.headers["Content-Encoding"] = "gzip"
        if credential is not None:
            request.headers.update(self._signed(request, body, credential))
        try:
            return self._read(self._http.send(request))
        except (httpx2.HTTPError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not self._http.is_closed:
                raise
            raise EngineAway(f"{method} {request.url}: {type(error).__name__}: {error}") from error

    def _signed(self, request: httpx2.Request, body: bytes, credential: Credential) -> dict[str, str]:
        return signature.headers(
            service=credential.service,
            key_id=credential.key_id,
            key=credential.key.encode("ascii"),
            method=request.method,
            target=request.url.raw_path.decode("ascii"),
            body=body,
            now=self._clock(),
        )

    def _read(self, response: httpx2.Response) -> Answer:
        return Answer(
            status=response.status_code,
            body=response.content,
            problem=_problem(response),
            retry_after=self._retry_after(response.headers.get("Retry-After")),
        )

    def _retry_after(self, text: str | None) -> float | None:
        if text is None:
            return None
        if text.isascii() and text.isdigit():
            return float(text[:9])
        try:
            return max(0.0, parsedate_to_datetime(text).timestamp() - self._clock())
        except ValueError:
            return None

    def close(self) -> None:
        """Closes the pool; a request on its way fails as :class:`EngineAway`."""
        self._http.close()


def _problem(response: httpx2.Response) -> Problem | None:
    if response.headers.get("Content-Type", "").partition(";")[0].strip() != "application/problem+json":
        return None
    try:
        return msgspec.json.decode(response.content, type=Problem)
    except msgspec.MsgspecError:
        return None
