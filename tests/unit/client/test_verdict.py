"""What an answer of the engine means for what was sent."""

from __future__ import annotations

import pytest

from resumable.client.transport import Answer, Credential, Verdict, verdict
from resumable.wire.bodies import Problem


@pytest.mark.parametrize(
    ("status", "by_engine", "meaning"),
    [
        (200, False, Verdict.DONE),
        (202, False, Verdict.DONE),
        (301, False, Verdict.RETRY),
        (400, True, Verdict.REFUSED),
        (400, False, Verdict.RETRY),
        (401, True, Verdict.UNAUTHORIZED),
        (401, False, Verdict.RETRY),
        (403, True, Verdict.UNAUTHORIZED),
        (404, True, Verdict.REFUSED),
        (404, False, Verdict.RETRY),
        (408, True, Verdict.RETRY),
        (409, True, Verdict.REFUSED),
        (413, True, Verdict.REFUSED),
        (422, True, Verdict.REFUSED),
        (429, True, Verdict.RETRY),
        (500, True, Verdict.RETRY),
        (502, False, Verdict.RETRY),
        (503, True, Verdict.RETRY),
    ],
)
def test_only_the_engine_itself_may_refuse(status: int, by_engine: bool, meaning: Verdict) -> None:
    problem = Problem(code="some_code", status=status) if by_engine else None
    assert verdict(Answer(status=status, body=b"", problem=problem)) is meaning


def test_a_key_is_not_shown_in_logs() -> None:
    assert "secret" not in repr(Credential(service="orders", key_id="k1", key="secret"))
