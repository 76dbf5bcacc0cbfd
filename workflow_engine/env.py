"""Typed reading of the environment: every value is parsed at start, and a bad one stops the process by name."""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from apps.lib.conf import SETTINGS, Conf, Setting

T = TypeVar("T")

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})
KEY_BYTES = 32
# Linux keeps 108 bytes for the path of a Unix socket, macOS 104.
SOCKET_PATH_LIMIT = 100

#: Schemes that a broker's URL may have, and what kombu calls them.
BROKERS = {
    "redis": "redis",
    "rediss": "rediss",
    "valkey": "redis",
    "valkeys": "rediss",
    "redis+socket": "redis+socket",
    "unix": "redis+socket",
}

environ: Mapping[str, str] = os.environ


def parsed(name: str, parse: Callable[[str], T], default: T) -> T:
    """The variable through `parse`; ImproperlyConfigured names the variable when `parse` refuses it."""
    raw = environ.get(name)
    if raw is None:
        return default
    try:
        return parse(raw)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}={raw!r}: {error}") from error


def text(name: str, default: str = "") -> str:
    return environ.get(name, default)


def to_flag(raw: str) -> bool:
    word = raw.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ValueError("must be one of 1, 0, true, false, yes, no, on, off")


def to_names(raw: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in raw.split(",") if part.strip())


def to_number(raw: str) -> int:
    if not raw.isascii() or not raw.lstrip("-").isdigit():
        raise ValueError("must be a whole number")
    return int(raw)


def to_seconds(raw: str) -> float:
    try:
        seconds = float(raw)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not 0 <= seconds < float("inf"):
        raise ValueError("must be zero or a positive number of seconds")
    return seconds


def to_paths(raw: str) -> tuple[Path, ...]:
    paths = tuple(Path(part).expanduser().resolve() for part in raw.split(os.pathsep) if part)
    missing = [str(path) for path in paths if not path.is_dir()]
    if missing:
        raise ValueError(f"no such folder: {', '.join(missing)}")
    return paths


def to_keys(raw: str) -> tuple[bytes, ...]:
    keys = tuple(to_key(part) for part in to_names(raw))
    if not keys:
        raise ValueError("needs at least one key")
    return keys


def to_key(raw: str) -> bytes:
    try:
        key = urlsafe_b64decode(raw)
    except ValueError:
        raise ValueError("a key must be url-safe base64") from None
    if len(key) != KEY_BYTES:
        raise ValueError(f"a key must hold {KEY_BYTES} bytes, this one holds {len(key)}")
    return key


def to_folder(raw: str) -> Path:
    if not raw:
        raise ValueError("must name a folder")
    return Path(raw).expanduser().absolute()


PARSERS: dict[str, Callable[[str], Any]] = {
    "int": to_number,
    "float": to_seconds,
    "bool": to_flag,
    "str": str,
    "Path": to_folder,
    "tuple[str, ...]": to_names,
    "tuple[Path, ...]": to_paths,
}


def table() -> Conf:
    """The engine's own WORKFLOW_* settings, each parsed by the type of its default and held to its bounds."""
    values = {setting.field: read_setting(setting) for setting in SETTINGS}
    return Conf(**{field.name: values[field.name] for field in fields(Conf)})


def read_setting(setting: Setting) -> Any:
    value = parsed(setting.name, PARSERS[setting.kind], setting.default)
    if setting.choices and value not in setting.choices:
        raise ImproperlyConfigured(f"{setting.name}={value!r}: must be one of {', '.join(setting.choices)}")
    if setting.least is not None and value < setting.least:
        raise ImproperlyConfigured(
            f"{setting.name}={value!r}: must be at least {setting.least} {setting.unit}".rstrip()
        )
    return value


def database(url: str) -> dict[str, Any]:
    """Django's ENGINE, NAME, … for sqlite:///path and postgresql://user:password@host:port/name?option=value."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    if parts.scheme == "sqlite":
        path = unquote(parts.path)
        # sqlite:///x is relative to the working directory, sqlite:////x is absolute.
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(Path(path[1:]).absolute())}
    if parts.scheme not in ("postgres", "postgresql"):
        raise ValueError("must begin with postgresql:// or sqlite:///")
    if not parts.path.strip("/"):
        raise ValueError("names no database")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or query.pop("user", "")),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": unquote(parts.hostname or query.pop("host", "")),
        "PORT": str(parts.port or query.pop("port", "")),
        "OPTIONS": query,
    }


def broker(url: str) -> str:
    """The URL as kombu writes it: a Unix socket is redis+socket://, and valkey:// is redis://."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in BROKERS:
        raise ValueError(f"must begin with {', '.join(f'{each}://' for each in BROKERS)}")
    return f"{BROKERS[scheme]}://{rest.replace('?db=', '?virtual_host=') if scheme == 'unix' else rest}"


def redis(url: str) -> str:
    """The URL as the Redis client writes it: a Unix socket is unix://."""
    scheme, _, rest = broker(url).partition("://")
    if scheme == "redis+socket":
        return f"unix://{rest.replace('?virtual_host=', '?db=')}"
    return f"{scheme}://{rest}"


def kept_secret(path: Path) -> str:
    """The secret kept in `path`, made on first use and readable by its owner alone."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_once(path, urlsafe_b64encode(secrets.token_bytes(KEY_BYTES)).decode())
    return path.read_text().strip()


def write_once(path: Path, content: str) -> None:
    """Put `content` into a new file of mode 600; whoever comes second leaves the first one's content."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(content)
    try:
        # A link appears whole or not at all, so no reader ever sees half a secret.
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
