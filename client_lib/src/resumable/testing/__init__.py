"""Test workflows without an engine: no Django, no broker, no sleeping."""

from __future__ import annotations

from resumable.testing.instance import HistoryEntry, InstanceView, WaitView
from resumable.testing.shell import Sent, Shell

__all__ = ["HistoryEntry", "InstanceView", "Sent", "Shell", "WaitView"]
