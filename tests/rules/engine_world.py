"""The engine behind the names of `World`: its stages are called in turn until it is at rest, on a clock that the world moves."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

import msgspec

from apps.accounts.models import Tenant
from apps.catalog.models import Service
from apps.definitions import programs
from apps.definitions.models import Workflow
from apps.definitions.services import scan
from apps.execution.services import look_back, match, operate, resume, start, timers
from apps.instances.models import History, Instance
from apps.instances.statuses import ACTIVE, Status
from apps.lib import clock, doorbell
from apps.lib.problems import Conflict
from apps.signals.models import Delivery, Signal
from apps.signals.services import Item, ingest
from apps.signals.statuses import Given
from apps.waits.models import Wait
from resumable import kernel
from resumable.schedules import next_after
from tests import sources
from tests.rules.world import BEGIN, EntrySeen, InstanceSeen, SentSeen, WaitSeen

WORKFLOWS = Path(__file__).parent / "workflows"
ACTOR = "the story"
MOST_ROUNDS = 1000


class UidConflict(Conflict):
    code = "uid_conflict"


class Seen:
    """An instance, read anew at each look."""

    def __init__(self, pk: int) -> None:
        self.pk = pk

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Seen) and other.pk == self.pk

    def __hash__(self) -> int:
        return hash(self.pk)

    def __repr__(self) -> str:
        return f"<instance {self.pk} {self.status}>"

    @property
    def row(self) -> Instance:
        return Instance.objects.get(pk=self.pk)

    @property
    def status(self) -> str:
        return self.row.status

    @property
    def key(self) -> str | None:
        return self.row.key or None

    @property
    def result(self) -> Any:
        row = self.row
        return programs.program(row.version_id).decode(row.result)

    @property
    def error(self) -> str | None:
        return self.row.error or None

    @property
    def view(self) -> kernel.View:
        row = self.row
        if not row.snapshot:
            return kernel.View(state={}, frames=())
        return kernel.view(programs.program(row.version_id), row.snapshot)

    @property
    def state(self) -> Mapping[str, Any]:
        return self.view.state

    @property
    def locals(self) -> Mapping[str, Any]:
        return self.view.locals

    @property
    def frames(self) -> Sequence[kernel.FrameView]:
        return self.view.frames

    @property
    def waits(self) -> Sequence[WaitSeen]:
        return [WaitView.of(each) for each in Wait.objects.of(self.row)]

    @property
    def history(self) -> Sequence[EntrySeen]:
        return list(History.objects.of(self.row))


@dataclass(frozen=True, slots=True)
class WaitView:
    name: str | None
    kind: str
    signal: str | None
    due_at: datetime | None
    line: int

    @classmethod
    def of(cls, wait: Wait) -> WaitView:
        return cls(wait.name or None, wait.kind, wait.signal or None, wait.due_at, wait.line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    started: Sequence[InstanceSeen]
    resumed: Sequence[InstanceSeen]
    matched: bool
    duplicate: bool


class EngineWorld:
    """The engine on the database of the run, with `workflows/` deployed."""

    def __init__(self) -> None:
        self.moment = BEGIN
        self.uids = itertools.count(1)
        self.schedules: dict[int, datetime] = {}
        self.stack = ExitStack()

    def __enter__(self) -> Self:
        self.stack.enter_context(clock.reading(lambda: self.moment))
        self.stack.enter_context(doorbell.sent_to(lambda name: None))
        # The stories move the clock by the exact pauses between tries.
        self.stack.enter_context(patch("apps.execution.saving.jitter", lambda: 0.0))
        self.tenant = Tenant.objects.default()
        report = scan([WORKFLOWS], tenant=self.tenant)
        assert not report.errors, report.errors
        self.plan()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stack.close()

    def send(
        self, name: str, payload: Mapping[str, Any], *, uid: str | None = None, service: str | None = None
    ) -> SentSeen:
        sender, _ = Service.objects.get_or_create(tenant=self.tenant, name=service or "stories")
        item = Item(uid=uid or f"story-{next(self.uids)}", name=name, payload=plain(payload))
        result = ingest(sender, [item])
        if result.rejected:
            raise UidConflict(result.rejected[0].detail)
        self.settle()
        if result.duplicates:
            return Sent(started=[], resumed=[], matched=False, duplicate=True)
        return sent(Signal.objects.get(service=sender, uid=item.uid).pk)

    def send_all(self, signals: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Take in a heap of signals before anything is done about the first."""
        sender, _ = Service.objects.get_or_create(tenant=self.tenant, name="stories")
        items = [Item(uid=f"story-{next(self.uids)}", name=name, payload=plain(each)) for name, each in signals]
        assert ingest(sender, items).accepted == len(items)
        self.settle()

    def start(self, workflow: str, *args: Any, key: str | None = None) -> InstanceSeen:
        started = start.start_instance(self.tenant, workflow, plain(list(args)), key)
        self.settle()
        return Seen(started.instance.pk)

    def instances(self, workflow: str) -> Sequence[InstanceSeen]:
        rows = Instance.objects.filter(workflow__name=workflow).order_by("pk")
        return [Seen(pk) for pk in rows.values_list("pk", flat=True)]

    def advance(self, **length: float) -> None:
        end = self.moment + timedelta(**length)
        while (moment := self.next_moment()) is not None and moment <= end:
            self.moment = max(self.moment, moment)
            self.start_scheduled()
            self.settle()
        self.moment = end

    def restart(self) -> None:
        """Forget every loaded source: what runs next comes from the database."""
        programs._programs.clear()
        sources.forget()

    def pause(self, instance: Seen, *, reason: str = "") -> None:
        operate.pause(instance.pk, actor=ACTOR, reason=reason)
        self.settle()

    def resume(self, instance: Seen, *, reason: str = "") -> None:
        operate.resume(instance.pk, actor=ACTOR, reason=reason)
        self.settle()

    def retry(self, instance: Seen, *, reason: str = "") -> None:
        operate.retry(instance.pk, actor=ACTOR, reason=reason)
        self.settle()

    def cancel(self, instance: Seen, *, scope: str | None = None, reason: str = "") -> None:
        operate.cancel(instance.pk, actor=ACTOR, reason=reason, scope=scope)
        self.settle()

    def rewind(self, instance: Seen, to: int, *, redeliver: bool = False, reason: str = "") -> None:
        operate.rewind(instance.pk, actor=ACTOR, to=to, reason=reason, redeliver=redeliver)
        self.settle()

    def patch(
        self,
        instance: Seen,
        *,
        state: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        reason: str = "",
    ) -> None:
        operate.patch(
            instance.pk,
            actor=ACTOR,
            reason=reason,
            state=dict(state) if state else None,
            locals=dict(locals) if locals else None,
        )
        self.settle()

    def settle(self) -> None:
        """Let every stage work until none finds anything."""
        for _ in range(MOST_ROUNDS):
            timers.retry_due()
            looked = look_back.settle()
            matched, resumed = match.match(), resume.resume()
            if not (looked or matched.signals or matched.deliveries or resumed.instances):
                return
        raise AssertionError("the engine does not come to rest")

    def next_moment(self) -> datetime | None:
        due = Wait.objects.filter(due_at__isnull=False, held=False, instance__status__in=ACTIVE)
        retries = Instance.objects.filter(status=Status.RETRYING)
        moments = [
            due.order_by("due_at").values_list("due_at", flat=True).first(),
            retries.order_by("retry_at").values_list("retry_at", flat=True).first(),
            *self.schedules.values(),
        ]
        return min((each for each in moments if each is not None), default=None)

    def plan(self) -> None:
        """The next start of each workflow with a schedule. Beat does this in a running engine."""
        for workflow in Workflow.objects.exclude(version__schedule=""):
            self.schedules[workflow.pk] = self.after(workflow.pk)

    def after(self, workflow_id: int) -> datetime:
        version = Workflow.objects.get(pk=workflow_id).version_id
        assert version is not None
        schedule = programs.program(version).schedule
        assert schedule is not None
        return next_after(schedule, self.moment, BEGIN)

    def start_scheduled(self) -> None:
        for workflow, moment in self.schedules.items():
            if moment <= self.moment:
                self.schedules[workflow] = self.after(workflow)
                start.start_scheduled(workflow)


def plain(value: Any) -> Any:
    """A value as the JSON of the wire, parsed."""
    return msgspec.json.decode(msgspec.json.encode(value))


def sent(signal: int) -> Sent:
    rows = Delivery.objects.filter(signal_id=signal).exclude(state=Given.DECLINED).order_by("instance_id")
    started = [Seen(each.instance_id) for each in rows if each.instance.started_signal == signal]
    consumed = [Seen(each.instance_id) for each in rows if each.state == Given.CONSUMED]
    resumed = [each for each in consumed if each not in started]
    return Sent(started=started, resumed=resumed, matched=bool(rows), duplicate=False)
