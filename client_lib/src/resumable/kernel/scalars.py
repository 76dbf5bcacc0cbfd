"""How values without parts are written: ``{"$decimal": "1.50"}`` and the like."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from resumable.errors import NotSaveable

#: Integers beyond this are not exact in every JSON reader.
_SAFE_INTEGER: Final = 2**63


def encode_str(value: str) -> Any:
    if value.isascii():
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        # Lone surrogates, as undecodable file names have: JSON text cannot hold them.
        return {"$str": base64.b64encode(value.encode("utf-8", "surrogatepass")).decode()}
    return value


def encode_int(value: int) -> Any:
    return value if -_SAFE_INTEGER <= value < _SAFE_INTEGER else {"$int": hex(value)}


def encode_float(value: float) -> Any:
    return value if math.isfinite(value) else {"$float": repr(value)}


def _encode_zone(zone: tzinfo) -> Any:
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    if type(zone) is timezone:
        offset = zone.utcoffset(None)
        return [offset.total_seconds(), zone.tzname(None)]
    raise NotSaveable(f"the time zone {zone!r} has no name to find it by: use zoneinfo.ZoneInfo")


def _decode_zone(data: Any) -> tzinfo:
    if isinstance(data, str):
        return ZoneInfo(data)
    offset, name = data
    plain = timezone(timedelta(seconds=offset))
    return plain if plain.tzname(None) == name else timezone(timedelta(seconds=offset), name)


def _encode_moment(value: datetime | time) -> Any:
    if value.tzinfo is None or value.tzinfo is UTC:
        text = value.isoformat()
        return [text, None, 1] if value.fold else text
    return [value.replace(tzinfo=None).isoformat(), _encode_zone(value.tzinfo), value.fold]


def _decode_moment(kind: Any) -> Callable[[Any], Any]:
    def decode(data: Any) -> Any:
        if isinstance(data, str):
            return kind.fromisoformat(data)
        text, zone, fold = data
        value = kind.fromisoformat(text)
        return value.replace(tzinfo=_decode_zone(zone) if zone else value.tzinfo, fold=fold)

    return decode


def _encode_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


#: type → (tag, to JSON); exact types only, a subclass could carry more.
ENCODERS: Final[dict[type, tuple[str, Callable[[Any], Any]]]] = {
    Decimal: ("$decimal", str),
    datetime: ("$datetime", _encode_moment),
    date: ("$date", date.isoformat),
    time: ("$time", _encode_moment),
    timedelta: ("$timedelta", lambda v: [v.days, v.seconds, v.microseconds]),
    UUID: ("$uuid", str),
    bytes: ("$bytes", _encode_bytes),
    range: ("$range", lambda v: [encode_int(v.start), encode_int(v.stop), encode_int(v.step)]),
    complex: ("$complex", lambda v: [repr(v.real), repr(v.imag)]),
}

DECODERS: Final[dict[str, Callable[[Any], Any]]] = {
    "$str": lambda data: base64.b64decode(data).decode("utf-8", "surrogatepass"),
    "$int": lambda data: int(data, 16),
    "$float": float,
    "$decimal": Decimal,
    "$datetime": _decode_moment(datetime),
    "$date": date.fromisoformat,
    "$time": _decode_moment(time),
    "$timedelta": lambda data: timedelta(*data),
    "$uuid": UUID,
    "$bytes": base64.b64decode,
    "$range": lambda data: range(*(int(n["$int"], 16) if isinstance(n, dict) else n for n in data)),
    "$complex": lambda data: complex(float(data[0]), float(data[1])),
}
