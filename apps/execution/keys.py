"""Instance keys as the database can index them."""

from __future__ import annotations

import hashlib

#: A longer key would not fit PostgreSQL's index entry and would fail the batch it is created with.
LONGEST = 500


def storable_key(key: str | None) -> str | None:
    """The key itself, or a digest that stands for it where it is long or holds what a text column refuses."""
    if key is None:
        return None
    if len(key) <= LONGEST and "\x00" not in key and encodable(key):
        return key
    return "blake2b:" + hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=32).hexdigest()


def encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def storable(text: str) -> str:
    """The text without what a text column refuses."""
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()
