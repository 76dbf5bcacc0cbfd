"""Bodies: held to a size before they are read, opened, and parsed without leniency.

Nothing here is called before the sender is known, except `raw`.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from typing import TYPE_CHECKING, Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.http.request import UnreadablePostError
from rest_framework.parsers import BaseParser

from apps.gateway.problems import BodyTooLarge, MalformedBody, UnsupportedEncoding
from apps.lib.conf import conf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import IO

    from django.http import HttpRequest

DEPTH = 64
GZIP_WINDOW = 31
ESCAPED = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")


def raw(request: HttpRequest) -> bytes:
    """The bytes as they came. Raises BodyTooLarge without reading more than the limit."""
    if _announced(request) > conf.body_limit:
        raise _too_large()
    try:
        body = request.body
    except RequestDataTooBig:
        raise _too_large() from None
    except UnreadablePostError:
        raise MalformedBody("The body ended before its Content-Length.") from None
    if len(body) > conf.body_limit:
        raise _too_large()
    return body


def decoded(request: HttpRequest, body: bytes) -> Any:
    """The JSON of a body. Raises UnsupportedEncoding, BodyTooLarge and MalformedBody."""
    return parsed(_opened(request.headers.get("Content-Encoding", ""), body))


def parsed(content: bytes) -> Any:
    """JSON as RFC 8259 means it: no NaN, no infinity, no key twice, no NUL, at most DEPTH levels.

    Databases refuse NUL and lone surrogates in text, and readers disagree about the rest, so it
    stops here. Raises MalformedBody.
    """
    try:
        value = json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise MalformedBody(f"The body is not valid JSON: {_about(error)}.") from None
    _check_depth(value)
    if ESCAPED.search(content):
        _check_text(value)
    return value


class HardenedJSON(BaseParser):
    """Django REST framework's way in to `decoded`."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        request = (parser_context or {})["request"]._request
        return decoded(request, raw(request))


def _announced(request: HttpRequest) -> int:
    length = request.META.get("CONTENT_LENGTH") or "0"
    return int(length) if length.isascii() and length.isdigit() else 0


def _opened(encoding: str, body: bytes) -> bytes:
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip":
            return _unzipped(body)
    raise UnsupportedEncoding("Send the body as it is, or with Content-Encoding: gzip.")


def _unzipped(body: bytes) -> bytes:
    stream = zlib.decompressobj(GZIP_WINDOW)
    try:
        content = stream.decompress(body, conf.body_limit + 1)
    except zlib.error:
        raise MalformedBody("The body is not valid gzip.") from None
    if len(content) > conf.body_limit:
        raise _too_large()
    if not stream.eof or stream.unused_data:
        raise MalformedBody("The body is not one whole gzip member.")
    return content


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object has a key twice")
    return members


def _refused(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEPTH:
            raise _too_deep()
        level = [each for container in level for each in _members(container)]


def _members(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return [each for each in value.values() if isinstance(each, dict | list)]
    if isinstance(value, list):
        return [each for each in value if isinstance(each, dict | list)]
    return ()


def _check_text(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedBody("A string holds half of a surrogate pair.") from None
    # json.dumps writes NUL as this escape; a backslash before it would be doubled.
    if re.search(r"(?<!\\)(?:\\\\)*\\u0000", text):
        raise MalformedBody("A string holds the character NUL, which cannot be stored.")


def _about(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at line {error.lineno}, column {error.colno}"
    return "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"A body may have {conf.body_limit} bytes, sent and unzipped.", limit=conf.body_limit)


def _too_deep() -> MalformedBody:
    return MalformedBody(f"The body nests deeper than {DEPTH} levels.")
