"""Writes `docs/reference/settings.md` from the table of settings: `python -m workflow_engine.reference`."""

from __future__ import annotations

import json
from pathlib import Path

from apps.lib.conf import SETTINGS, Setting

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "settings.md"

HEAD = """# Settings

All settings are environment variables. They are read once, at start; a value that cannot be read stops the process
with the name of the variable and what it may be.

This page is written by `make docs` from `apps/lib/conf.py`.

## Where things are

| variable | default | what it is |
|---|---|---|
| `DATABASE_URL` | SQLite in the var folder | `postgresql://user:password@host:port/name` or `sqlite:///path` |
| `BROKER_URL` | a Unix socket in the var folder | `redis://…`, `rediss://…`, `valkey://…` or `redis+socket:///path` |
| `REDIS_URL` | `BROKER_URL` | where the doorbells' flags are kept |
| `SECRET_KEY` | made and kept in the var folder; must be given with `DATABASE_URL` | signs sessions and tokens |
| `WORKFLOW_ENCRYPTION_KEYS` | made and kept in the var folder; must be given with `DATABASE_URL` | keys that seal secrets at rest: 32 bytes each in url-safe base64, separated by commas, newest first |

## The engine

| variable | default | unit | what it is |
|---|---|---|---|
"""


def page() -> str:
    return HEAD + "".join(map(row, SETTINGS))


def row(setting: Setting) -> str:
    about = setting.help
    if setting.choices:
        about += f": {', '.join(f'`{choice}`' for choice in setting.choices)}"
    if setting.least is not None:
        about += f" (at least {setting.least})"
    return f"| `{setting.name}` | {default(setting)} | {setting.unit or '—'} | {about} |\n"


def default(setting: Setting) -> str:
    value = setting.default
    if isinstance(value, bool):
        return "`on`" if value else "`off`"
    if isinstance(value, tuple):
        value = ",".join(map(str, value))
    return f"`{json.dumps(value) if isinstance(value, float) else value}`" if value != "" else "none"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page())
