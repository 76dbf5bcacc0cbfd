"""What the engine reads in a snapshot without the source it belongs to. The kernel describes the format."""

from __future__ import annotations

from typing import Any

from apps.lib.jsontext import decode


def state_of(snapshot: str) -> dict[str, Any]:
    """The declared fields, as they are encoded."""
    return dict(decode(snapshot)["state"])


def open_scopes(snapshot: str) -> set[str]:
    """The names of the scopes that are open, in any branch."""
    stacks = [branch["stack"][0] for branch in decode(snapshot)["branches"].values() if "stack" in branch]
    return {name for stack in stacks for name, _ in stack.get("scopes", ())}
