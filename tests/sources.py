"""What a new process knows of workflow sources: nothing."""

from __future__ import annotations

import sys

from apps.definitions import loader


def forget() -> None:
    """Drop every loaded source."""
    loader._packages.clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == loader.PREFIX]:
        del sys.modules[name]
