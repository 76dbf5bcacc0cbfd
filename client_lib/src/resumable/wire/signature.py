"""Request signatures, the same in both directions.

Three headers travel with a signed request::

    X-Workflow-Service: orders
    X-Workflow-Key: <key id>
    X-Workflow-Signature: t=<unix seconds>,v1=<64 hex digits>[,v1=...]

``v1`` is ``HMAC-SHA256(key, "<t>.<METHOD>.<path?query>." + body)`` over the bytes
as they are on the wire, so before a compressed body is opened. Up to four ``v1``
may be given: a sender signs with its old and its new key while a rotation lasts.

Time is an argument, so the module is pure and both sides test it alike::

    SignatureError
    ├── SignatureMissing      signature_missing
    ├── SignatureMalformed    signature_malformed
    ├── SignatureStale        signature_stale
    └── SignatureMismatch     signature_mismatch
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable

from resumable.errors import ResumableError

SERVICE_HEADER = "X-Workflow-Service"
KEY_HEADER = "X-Workflow-Key"
SIGNATURE_HEADER = "X-Workflow-Signature"

#: Seconds by which the two clocks may differ, either way.
TOLERANCE_SECONDS = 300

#: Signatures in one header: an old and a new key, with room to spare.
MOST_SIGNATURES = 4

#: Longer headers are refused before the grammar is applied to them.
LONGEST_HEADER = 400

# [0-9] and not \d: int() would read Arabic-Indic digits that \d matches.
_GRAMMAR = re.compile(rf"t=([0-9]{{1,12}})((?:,v1=[0-9a-f]{{64}}){{1,{MOST_SIGNATURES}}})")

# An unknown key is checked against this one, so that it takes as long as a known one.
_NO_KEY = b"\0" * 32


class SignatureError(ResumableError):
    """A request whose sender is not proven. Answered 401."""

    code = "signature_error"


class SignatureMissing(SignatureError):
    """The request carries no signature header."""

    code = "signature_missing"


class SignatureMalformed(SignatureError):
    """The signature header is not ``t=<unix>,v1=<hex>[,v1=<hex>]``."""

    code = "signature_malformed"


class SignatureStale(SignatureError):
    """The request was signed too long ago, or in the future.

    ``skew`` is the receiver's clock minus the sender's, in seconds.
    """

    code = "signature_stale"

    def __init__(self, message: str, *, skew: int) -> None:
        super().__init__(message)
        self.skew = skew


class SignatureMismatch(SignatureError):
    """No signature in the header was made with a valid key over this request."""

    code = "signature_mismatch"


def sign(*keys: bytes, method: str, target: str, body: bytes, now: float) -> str:
    """The value of :data:`SIGNATURE_HEADER`.

    :param keys: the secrets to sign with, one ``v1`` each.
    :param target: path and query as on the request line, without the host.
    :param now: seconds since 1970.
    """
    if not 1 <= len(keys) <= MOST_SIGNATURES:
        raise ValueError(f"sign with 1 to {MOST_SIGNATURES} keys, not {len(keys)}")
    stamp = str(int(now))
    signed = _signed_bytes(stamp, method, target, body)
    return f"t={stamp}," + ",".join(f"v1={_digest(key, signed)}" for key in keys)


def headers(
    *, service: str, key_id: str, key: bytes, method: str, target: str, body: bytes, now: float
) -> dict[str, str]:
    """The three headers of a signed request."""
    return {
        SERVICE_HEADER: service,
        KEY_HEADER: key_id,
        SIGNATURE_HEADER: sign(key, method=method, target=target, body=body, now=now),
    }


def verify(
    header: str | None,
    *,
    keys: Iterable[bytes],
    method: str,
    target: str,
    body: bytes,
    now: float,
    tolerance: int = TOLERANCE_SECONDS,
) -> None:
    """Returns if one signature of ``header`` was made with one of ``keys``.

    :param header: the raw header, ``None`` if the request has none.
    :param keys: every secret that is valid for the sender now; empty for an unknown
        sender, which then fails as a wrong signature does.
    :raises SignatureError: one of its four subclasses.
    """
    stamp, candidates = _parse(header)
    skew = int(now) - int(stamp)
    if abs(skew) > tolerance:
        raise SignatureStale(f"signed {skew} s away from the receiver's clock; {tolerance} s are allowed", skew=skew)
    signed = _signed_bytes(stamp, method, target, body)
    if not _any_matches(list(keys), candidates, signed):
        raise SignatureMismatch("the signature does not fit the service, the key and the request")


def _parse(header: str | None) -> tuple[str, list[bytes]]:
    if not header:
        raise SignatureMissing(f"the request carries no {SIGNATURE_HEADER}")
    found = _GRAMMAR.fullmatch(header) if len(header) <= LONGEST_HEADER else None
    if found is None:
        raise SignatureMalformed(f"{SIGNATURE_HEADER} must read t=<unix>,v1=<64 lower-case hex digits>")
    stamp, signatures = found.groups()
    return stamp, [part[3:].encode("ascii") for part in signatures[1:].split(",")]


def _any_matches(keys: list[bytes], candidates: list[bytes], signed: bytes) -> bool:
    # No early exit: the time taken must not tell which pair was right.
    matched = False
    for key in keys or [_NO_KEY]:
        expected = _digest(key, signed).encode("ascii")
        for candidate in candidates:
            matched |= hmac.compare_digest(expected, candidate)
    return matched and bool(keys)


def _signed_bytes(stamp: str, method: str, target: str, body: bytes) -> bytes:
    # latin-1, as WSGI hands over what was on the line: any byte string maps to itself.
    return f"{stamp}.{method.upper()}.{target}.".encode("latin-1", "backslashreplace") + body


def _digest(key: bytes, signed: bytes) -> str:
    return hmac.new(key, signed, hashlib.sha256).hexdigest()
