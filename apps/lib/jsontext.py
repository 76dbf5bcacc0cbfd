"""JSON in a text column.

Columns that hold what authors and services wrote are text, never `jsonb`: PostgreSQL's `jsonb` refuses `\\u0000`,
so one character in one payload would fail the whole batch it is stored with. Nothing queries inside them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from django.db import models

if TYPE_CHECKING:
    # To a type checker it is what it behaves like.
    Text = models.JSONField[Any, Any]
else:
    Text = models.TextField


def encode(value: Any) -> str:
    """JSON text; `Decimal`, `datetime`, `UUID` and the like become their usual JSON forms."""
    return msgspec.json.encode(value).decode()


def decode(text: str) -> Any:
    return msgspec.json.decode(text)


class JsonTextField(Text):
    """A text column whose attribute is the decoded value; bulk writers put encoded text there themselves."""

    description = "JSON kept as text"

    def from_db_value(self, value: str | None, *_: object) -> Any:
        return None if value is None else decode(value)

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None else encode(value)

    def to_python(self, value: Any) -> Any:
        return value

    def value_to_string(self, obj: models.Model) -> str:
        return encode(self.value_from_object(obj))
