"""Signatures: what one side signs the other accepts, and nothing else."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resumable.wire import signature
from resumable.wire.signature import (
    SignatureError,
    SignatureMalformed,
    SignatureMismatch,
    SignatureMissing,
    SignatureStale,
    sign,
    verify,
)

KEY = b"a-key-of-the-orders-service"
NOW = 1_767_225_600
REQUEST = {"method": "POST", "target": "/api/v1/signals?dry=1", "body": b'[{"uid":"1"}]'}

targets = st.from_regex(r"/[!-~]{0,40}", fullmatch=True)


def test_the_header_is_what_the_contract_says() -> None:
    expected = hmac.new(KEY, b'1767225600.POST./api/v1/signals?dry=1.[{"uid":"1"}]', hashlib.sha256).hexdigest()
    assert sign(KEY, now=NOW + 0.9, **REQUEST) == f"t=1767225600,v1={expected}"


@given(key=st.binary(min_size=1), body=st.binary(), target=targets, skew=st.integers(-300, 300))
def test_what_was_signed_is_accepted_within_the_tolerance(key: bytes, body: bytes, target: str, skew: int) -> None:
    header = sign(key, method="PUT", target=target, body=body, now=NOW)
    verify(header, keys=[key], method="PUT", target=target, body=body, now=NOW + skew)


@given(body=st.binary(min_size=1), at=st.integers(min_value=0), bit=st.integers(0, 7))
def test_one_changed_bit_of_the_body_is_a_mismatch(body: bytes, at: int, bit: int) -> None:
    header = sign(KEY, method="POST", target="/", body=body, now=NOW)
    changed = bytearray(body)
    changed[at % len(body)] ^= 1 << bit
    with pytest.raises(SignatureMismatch):
        verify(header, keys=[KEY], method="POST", target="/", body=bytes(changed), now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        {"method": "PUT"},
        {"target": "/api/v1/signals?dry=2"},
        {"target": "/api/v1/signals"},
        {"body": b""},
    ],
)
def test_method_path_and_query_are_signed_too(change: dict[str, object]) -> None:
    with pytest.raises(SignatureMismatch):
        verify(sign(KEY, now=NOW, **REQUEST), keys=[KEY], now=NOW, **{**REQUEST, **change})


@pytest.mark.parametrize("skew", [301, -301, 10**9])
def test_a_request_from_another_time_is_stale_and_says_by_how_much(skew: int) -> None:
    with pytest.raises(SignatureStale) as caught:
        verify(sign(KEY, now=NOW, **REQUEST), keys=[KEY], now=NOW + skew, **REQUEST)
    assert caught.value.skew == skew


def test_while_a_rotation_lasts_either_key_will_do() -> None:
    both = sign(b"old", b"new", now=NOW, **REQUEST)
    verify(both, keys=[b"old"], now=NOW, **REQUEST)
    verify(both, keys=[b"new"], now=NOW, **REQUEST)
    verify(sign(b"new", now=NOW, **REQUEST), keys=[b"old", b"new"], now=NOW, **REQUEST)
    with pytest.raises(SignatureMismatch):
        verify(both, keys=[b"other"], now=NOW, **REQUEST)


def test_an_unknown_sender_fails_as_a_wrong_signature_does() -> None:
    with pytest.raises(SignatureMismatch):
        verify(sign(KEY, now=NOW, **REQUEST), keys=[], now=NOW, **REQUEST)


def test_nobody_may_sign_with_the_key_that_stands_for_no_key() -> None:
    with pytest.raises(SignatureMismatch):
        verify(sign(b"\0" * 32, now=NOW, **REQUEST), keys=[], now=NOW, **REQUEST)


@pytest.mark.parametrize("header", [None, ""])
def test_no_header_is_missing(header: str | None) -> None:
    with pytest.raises(SignatureMissing):
        verify(header, keys=[KEY], now=NOW, **REQUEST)


HEX = "0" * 64


@pytest.mark.parametrize(
    "header",
    [
        f"t=-1,v1={HEX}",
        f"t={10**20},v1={HEX}",
        f"t=١٢٣,v1={HEX}",
        f"t=1_0,v1={HEX}",
        f"t= 10,v1={HEX}",
        f"t=10,t=11,v1={HEX}",
        f"v1={HEX}",
        f"v1={HEX},t=10",
        "t=10",
        "t=10,v1=",
        f"t=10,v1={HEX.replace('0', 'A')}",
        f"t=10,v1={HEX}é",
        f"t=10,v1={HEX[:-1]}é",
        f"t=10,v1={HEX}\n",
        f"t=10,v1={HEX},",
        f"t=10,v0={HEX}",
        "t=10" + f",v1={HEX}" * 5,
        "t=10," + "v1=" * 10_000,
        "\x00",
    ],
)
def test_what_does_not_fit_the_grammar_is_malformed(header: str) -> None:
    with pytest.raises(SignatureMalformed):
        verify(header, keys=[KEY], now=NOW, **REQUEST)


@given(header=st.text(), body=st.binary())
def test_no_header_makes_it_fail_otherwise(header: str, body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(header, keys=[KEY], method="POST", target="/", body=body, now=NOW)


@given(target=st.text(), body=st.binary())
def test_any_target_a_server_hands_over_can_be_checked(target: str, body: bytes) -> None:
    header = sign(KEY, method="POST", target=target, body=body, now=NOW)
    verify(header, keys=[KEY], method="POST", target=target, body=body, now=NOW)


def test_codes_are_stable() -> None:
    found = {each.code for each in (SignatureMissing, SignatureMalformed, SignatureStale, SignatureMismatch)}
    assert found == {"signature_missing", "signature_malformed", "signature_stale", "signature_mismatch"}


def test_the_three_headers() -> None:
    made = signature.headers(service="orders", key_id="k1", key=KEY, now=NOW, **REQUEST)
    assert made == {
        "X-Workflow-Service": "orders",
        "X-Workflow-Key": "k1",
        "X-Workflow-Signature": sign(KEY, now=NOW, **REQUEST),
    }
