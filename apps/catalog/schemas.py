"""JSON Schemas of signals, compiled once for each content and kept.

The patterns run on a linear-time engine and references never leave the schema:
a schema is written by a service, and must not slow the engine down or make it call somebody.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import jsonschema_rs
import msgspec

from apps.lib.problems import Unprocessable

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_BYTES = 65_536
DETAIL_CHARACTERS = 300


class InvalidSchema(Unprocessable):
    code, title = "invalid_schema", "A signal's schema is not a usable JSON Schema."


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalCheck:
    """What a pushed payload of one signal is held against."""

    name: str
    deliver: str
    validator: jsonschema_rs.Validator

    def problem(self, payload: object) -> str | None:
        """What is wrong with `payload`, for its sender; None when nothing is."""
        for error in self.validator.iter_errors(payload):
            where = "".join(f".{step}" for step in error.instance_path) or "payload"
            return f"{where.lstrip('.')}: {error.message}"[:DETAIL_CHARACTERS]
        return None


def compiled(schema: Mapping[str, Any]) -> jsonschema_rs.Validator:
    """The validator of a schema. Raises InvalidSchema."""
    return _compiled(msgspec.json.encode(schema, order="deterministic"))


@lru_cache(maxsize=2048)
def _compiled(content: bytes) -> jsonschema_rs.Validator:
    if len(content) > SCHEMA_BYTES:
        raise InvalidSchema(f"the schema is larger than {SCHEMA_BYTES} bytes")
    try:
        return jsonschema_rs.validator_for(
            msgspec.json.decode(content),
            validate_formats=True,
            offline=True,
            pattern_options=jsonschema_rs.RegexOptions(),
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise InvalidSchema(str(error).splitlines()[0][:DETAIL_CHARACTERS]) from error
