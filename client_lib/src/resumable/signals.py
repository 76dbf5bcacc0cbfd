"""Signals: the immutable facts that services push and workflows wait for."""

from __future__ import annotations
