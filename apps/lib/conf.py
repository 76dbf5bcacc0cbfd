"""The engine's settings: one table that is default, type, bound and documentation.

Read them as `conf.match_batch`. Values come from the environment at start; tests replace `settings.WORKFLOW`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from django.conf import settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One row of the table: the environment variable, its type and default, its unit, what it is for, its bounds."""

    field: str
    kind: str
    default: Any
    unit: str
    help: str
    least: int | float | None
    choices: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"WORKFLOW_{self.field.upper()}"


def setting(default: Any, help: str, *, unit: str = "", least: float | None = None, choices: Sequence[str] = ()) -> Any:
    about = {"unit": unit, "help": help, "least": least, "choices": tuple(choices)}
    return field(default=default, metadata=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    var_dir: Path = setting(Path("var"), "folder for what the embedded default keeps", unit="folder")
    debug: bool = setting(False, "Django's debug pages; never where others can reach the engine")
    https: str = setting(
        "auto",
        "whether cookies are for https alone; auto says yes where DATABASE_URL is set",
        choices=("auto", "on", "off"),
    )
    hosts: tuple[str, ...] = setting(
        ("localhost", "127.0.0.1", "[::1]"), "names under which the engine may be called", unit="names, comma separated"
    )
    origins: tuple[str, ...] = setting((), "origins trusted for forms", unit="origins, comma separated")
    behind_proxy: bool = setting(False, "whether X-Forwarded-Proto comes from a proxy of yours")
    paths: tuple[Path, ...] = setting((), "folders that hold workflow files", unit="folders, colon separated")
    match_batch: int = setting(1000, "signals that one matching transaction takes", unit="signals", least=1)
    resume_batch: int = setting(500, "instances that one resuming transaction takes", unit="instances", least=1)
    timer_batch: int = setting(500, "due instances that one firing of timers takes", unit="instances", least=1)
    fanout_page: int = setting(5000, "waits of one unkeyed template read at a time", unit="waits", least=1)
    sweep_seconds: float = setting(
        3.0, "how often, and after how long, work whose doorbell was lost is rung for again", unit="seconds", least=0.1
    )
    timer_seconds: float = setting(1.0, "how often due timers are looked for", unit="seconds", least=0.1)
    scan_seconds: float = setting(5.0, "how often the workflow folders are looked at", unit="seconds", least=0.1)
    claim_grace_seconds: float = setting(
        2.0, "age at which a claim that nobody holds is taken for a dead worker's", unit="seconds", least=0
    )
    crash_tries: int = setting(3, "deaths of a worker before the instance is quarantined", unit="tries", least=1)
    body_limit: int = setting(4 * 1024 * 1024, "largest request body", unit="bytes", least=1)
    batch_limit: int = setting(1000, "most signals in one request", unit="signals", least=1)
    signature_tolerance: int = setting(300, "largest age of a signature, either way", unit="seconds", least=1)
    enrolment_seconds: int = setting(3600, "how long an enrolment token can be used", unit="seconds", least=1)
    rotation_seconds: int = setting(
        86_400, "how long a service's old key goes on working after it got a new one", unit="seconds", least=0
    )
    page_limit: int = setting(100, "rows of one page of a list", unit="rows", least=1)
    key_days: int = setting(8, "how long the uid of a signal is remembered", unit="days", least=8)
    signal_days: int = setting(30, "how long the payload of a signal is kept", unit="days", least=1)
    instance_days: int = setting(
        90, "how long an instance that has ended is kept, with its history", unit="days", least=1
    )
    task_soft_seconds: float = setting(45.0, "time after which a task is asked to stop", unit="seconds", least=0.1)
    task_hard_seconds: float = setting(
        60.0, "time after which the process of a task is killed", unit="seconds", least=0.1
    )
    worker_processes: int = setting(2, "processes of a worker", unit="processes", least=1)
    statement_seconds: float = setting(30.0, "longest statement on PostgreSQL", unit="seconds", least=0.1)
    lock_seconds: float = setting(5.0, "longest wait for a lock on PostgreSQL", unit="seconds", least=0.1)
    idle_seconds: float = setting(30.0, "longest pause inside a transaction on PostgreSQL", unit="seconds", least=0.1)
    flower: bool = setting(False, "whether workers answer Flower: remote control and task events")
    log_format: str = setting("console", "how log events are written", choices=("console", "json"))
    log_level: str = setting(
        "INFO", "least level of log events that are written", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )


def rows() -> tuple[Setting, ...]:
    # Annotations are postponed, so `type` is the text of the annotation.
    return tuple(
        Setting(field=each.name, kind=str(each.type), default=each.default, **each.metadata) for each in fields(Conf)
    )


SETTINGS: tuple[Setting, ...] = rows()


class Current:
    """Reads the value in force at the moment of the reading, so that a test's replacement is seen everywhere."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        return getattr(settings.WORKFLOW, name)


conf = cast(Conf, Current())
