"""The saved form of an instance: one JSON text with a format number.

::

    format      number of this layout; every released one stays readable
    next        number for the next wait, branch or group
    cancelling  whether the instance was cancelled and is cleaning up
    state       the workflow's declared fields
    objects     number → an object that is reached from more than one place
    branches    number → group and place, what it waits on, its frames, its open scopes
    groups      number → kind, owner, members still running, results so far
    waits       number → an open wait, complete, so that rewind can restore it

``refs`` beside a part lists the objects it names: a part that a turn does not
touch is neither decoded nor written again, and its objects stay.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from resumable.errors import SnapshotError
from resumable.kernel.decoder import Decoder
from resumable.kernel.encoder import Encoder

FORMAT: Final = 1

_json_encoder: Final = msgspec.json.Encoder()
_json_decoder: Final = msgspec.json.Decoder()


def blank() -> dict[str, Any]:
    """The snapshot of an instance that has not begun."""
    return {
        "format": FORMAT,
        "next": 1,
        "cancelling": False,
        "state": {},
        "objects": {},
        "branches": {},
        "groups": {},
        "waits": {},
    }


def read(text: str) -> dict[str, Any]:
    """The parts of a snapshot.

    :raises SnapshotError: not JSON, or a format this release does not know.
    """
    try:
        data = _json_decoder.decode(text)
    except msgspec.DecodeError as error:
        raise SnapshotError(f"the snapshot is not JSON: {error}") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        found = data.get("format") if isinstance(data, dict) else None
        raise SnapshotError(f"the snapshot has format {found!r}; this release reads {FORMAT}")
    return data


def write(data: dict[str, Any]) -> str:
    return _json_encoder.encode(data).decode()


class Part:
    """A piece of a snapshot that is decoded when it is needed, and rewritten only then."""

    __slots__ = ("_raw", "_value", "refs")

    def __init__(self, raw: Any = None, refs: Iterable[int] = (), value: Any = None) -> None:
        self._raw = raw
        self._value = value
        self.refs = tuple(refs)

    @property
    def is_raw(self) -> bool:
        return self._raw is not None

    def live(self, decoder: Decoder) -> Any:
        if self._raw is not None:
            self._value, self._raw = decoder.decode(self._raw), None
        return self._value

    def encode(self, encoder: Encoder) -> list[Any]:
        """``[JSON, refs]``."""
        if self._raw is not None:
            return [self._raw, list(self.refs)]
        encoder.used = set()
        raw = encoder.encode(self._value)
        return [raw, sorted(encoder.used)]


def named_objects(objects: dict[str, Any], refs: Iterable[int]) -> set[int]:
    """All objects of the table that these lead to."""
    found: set[int] = set()
    pending = list(refs)
    while pending:
        number = pending.pop()
        if number not in found and str(number) in objects:
            found.add(number)
            pending += _refs_in(objects[str(number)])
    return found


def _refs_in(data: Any) -> list[int]:
    if isinstance(data, dict):
        if data.keys() == {"$ref"}:
            return [data["$ref"]]
        return [number for item in data.values() for number in _refs_in(item)]
    if isinstance(data, list):
        return [number for item in data for number in _refs_in(item)]
    return []
