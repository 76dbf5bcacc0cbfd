"""One batch on its way: the request it makes, and what the answer says of each item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from resumable.client.items import START, Item, Refusal
from resumable.client.registration import Registration
from resumable.client.transport import Answer, Credential, EngineAway, Transport, Verdict, verdict
from resumable.wire.bodies import SignalsAnswer, Started

SIGNALS_PATH = "/api/v1/signals"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What the engine did with a batch.

    An item in neither ``sent`` nor ``refused`` stays pending. ``most`` is how many
    items the next batch may have, if this one was too much; ``answer`` the started
    instance's id.
    """

    sent: tuple[str, ...] = ()
    refused: tuple[Refusal, ...] = ()
    most: int | None = None
    answer: str | None = None


class Delivery:
    """Sends batches; knows the two endpoints that take them."""

    def __init__(self, transport: Transport, registration: Registration) -> None:
        self._transport = transport
        self._registration = registration

    def send(self, batch: Sequence[Item], credential: Credential) -> Report:
        """Sends ``batch``: one start, or signals.

        :raises EngineAway: to be tried again as it is.
        :raises NotEnrolled: the engine does not accept the service any more.
        """
        answer = self._transport.send("POST", *_request(batch), credential)
        judged = verdict(answer)
        if judged is Verdict.UNAUTHORIZED:
            self._unauthorized(answer)
        if judged is Verdict.RETRY:
            raise EngineAway(_words(answer), retry_after=answer.retry_after, poison=answer.status == 500)
        if judged is Verdict.REFUSED:
            return _refused(batch, answer)
        return _started(batch, answer) if batch[0].kind == START else _stored(batch, answer)

    def _unauthorized(self, answer: Answer) -> None:
        problem = answer.problem
        if problem is not None and problem.code == "signature_stale":
            raise EngineAway(f"the clocks of service and engine differ; engine's time: {problem.now}")
        self._registration.refused(_words(answer))
        raise EngineAway("sent again with the new key", retry_after=0.0)


def _request(batch: Sequence[Item]) -> tuple[str, bytes]:
    if batch[0].kind == START:
        return f"/api/v1/workflows/{quote(batch[0].name, safe='')}/start", batch[0].body
    return SIGNALS_PATH, b"[" + b",".join(each.body for each in batch) + b"]"


def _stored(batch: Sequence[Item], answer: Answer) -> Report:
    try:
        stored = msgspec.json.decode(answer.body, type=SignalsAnswer)
        refused = {batch[each.index].uid: each for each in stored.rejected}
    except (msgspec.MsgspecError, IndexError) as error:
        raise EngineAway(f"{answer.status} with a body that is not the engine's: {error}") from error
    return Report(
        sent=tuple(each.uid for each in batch if each.uid not in refused),
        refused=tuple(Refusal(uid=uid, code=each.code, detail=each.detail) for uid, each in refused.items()),
    )


def _started(batch: Sequence[Item], answer: Answer) -> Report:
    try:
        started = msgspec.json.decode(answer.body, type=Started)
    except msgspec.MsgspecError as error:
        raise EngineAway(f"{answer.status} with a body that is not the engine's: {error}") from error
    return Report(sent=(batch[0].uid,), answer=started.id)


def _refused(batch: Sequence[Item], answer: Answer) -> Report:
    """The whole request was refused: halve it until the culprit stands alone."""
    if len(batch) > 1:
        return Report(most=len(batch) // 2)
    problem = answer.problem
    code, detail = (problem.code, problem.detail or problem.title) if problem else (str(answer.status), "")
    return Report(refused=(Refusal(uid=batch[0].uid, code=code, detail=detail),))


def _words(answer: Answer) -> str:
    if answer.problem is not None:
        return f"{answer.status} {answer.problem.code}: {answer.problem.detail}"
    return f"{answer.status} {answer.body[:200].decode('latin-1')}"
