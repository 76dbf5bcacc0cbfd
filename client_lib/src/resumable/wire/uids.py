"""The uid of a pushed item: what makes pushing it twice harmless."""

from __future__ import annotations

import os
import re
import time

_GRAMMAR = re.compile(r"[!-~]{1,200}")


def new_uid() -> str:
    """A random uid that sorts by the millisecond of its making (32 hex digits, UUID version 7).

    Sorted, because random keys would touch a new page of the outbox's index at each push.
    """
    stamp = time.time_ns() // 1_000_000
    tail = int.from_bytes(os.urandom(10), "big")
    value = (stamp & (1 << 48) - 1) << 80 | tail
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return f"{value:032x}"


def checked_uid(uid: str) -> str:
    """``uid`` itself.

    :raises ValueError: it is not 1 to 200 visible ASCII characters.
    """
    if not isinstance(uid, str) or not _GRAMMAR.fullmatch(uid):
        raise ValueError(f"a uid is 1 to 200 visible ASCII characters, not {uid!r:.80}")
    return uid
