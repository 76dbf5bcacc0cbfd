"""Keyset pages: a page begins after a row, so it costs the same however far it is, and nothing is counted."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Any, TypeVar

from django.db import models

from apps.gateway import parameters
from apps.gateway.problems import InvalidParameter
from apps.lib.conf import conf

if TYPE_CHECKING:
    from django.http import QueryDict

Row = TypeVar("Row", bound=models.Model)
LARGEST_ID = 2**63 - 1


def page(rows: models.QuerySet[Row], query: QueryDict, order: str) -> tuple[list[Row], str | None]:
    """The rows after `cursor`, at most `limit`, and the next cursor; None on the last page.

    `order` is a column whose values never repeat within `rows`, with a dash for descending.
    """
    column = order.removeprefix("-")
    after = _position(query)
    if after is not None:
        rows = rows.filter(**{f"{column}__{'lt' if order.startswith('-') else 'gt'}": after})
    limit = parameters.number(query, "limit", default=conf.page_limit, most=conf.page_limit)
    found = list(rows.order_by(order)[: limit + 1])
    if len(found) <= limit:
        return found, None
    return found[:limit], cursor(getattr(found[limit - 1], column))


def cursor(position: int) -> str:
    return urlsafe_b64encode(str(position).encode()).decode().rstrip("=")


def _position(query: QueryDict) -> int | None:
    text = parameters.text(query, "cursor")
    if text is None:
        return None
    try:
        plain = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        plain = ""
    if not plain.isdigit() or int(plain[:20]) > LARGEST_ID:
        raise InvalidParameter("cursor: use the `next` of a page as it is.", parameter="cursor")
    return int(plain)


def envelope(items: Any, following: str | None) -> dict[str, Any]:
    return {"items": items, "next": following}
