"""From an author's ``async def`` to code that can be continued from any of its awaits."""

from __future__ import annotations
