"""Identifiers that leave the database: they sort by time, so that their index grows at one end."""

from __future__ import annotations

import os
import secrets
import time
from uuid import UUID

VERSION_7 = 0x7 << 76
VARIANT = 0b10 << 62
RANDOM_A = (1 << 12) - 1
RANDOM_B = (1 << 62) - 1


def uuid7() -> UUID:
    """A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    noise = int.from_bytes(os.urandom(10))
    return UUID(int=milliseconds << 80 | VERSION_7 | (noise >> 62 & RANDOM_A) << 64 | VARIANT | noise & RANDOM_B)


def token(size: int = 32) -> str:
    """A secret of `size` random bytes in hexadecimal, to be shown once and stored as a hash.

    Base64 would be shorter, but one in 64 begins with a dash, which a command line takes for an option.
    """
    return secrets.token_hex(size)
