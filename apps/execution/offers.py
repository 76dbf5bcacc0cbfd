"""Who gets a signal, and what it starts: rules 1 to 4, decided in memory for a batch.

Nothing here locks. The caller holds the cursor of the log, so that no two decide at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from apps.catalog.models import SignalType
from apps.catalog.statuses import Deliver
from apps.definitions.artifacts import Unloadable
from apps.definitions.models import Workflow
from apps.definitions.programs import program
from apps.execution.keys import storable_key
from apps.execution.rows import Candidate, NewInstance, Probe, SignalRow
from apps.instances.models import Instance
from apps.lib.jsontext import decode
from apps.signals.models import Delivery
from apps.signals.statuses import Given
from apps.waits.models import Template
from resumable.criteria import Criteria, payload_key_hash

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Shape:
    """A template, ready to hash with."""

    id: int
    workflow_id: int
    fields: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Start:
    """A start condition of the current version of a workflow."""

    workflow_id: int
    version_id: int
    criteria: Criteria
    keyed: bool


@dataclass(slots=True)
class Batch:
    """The signals of one decision, decoded, with the shapes and start conditions that concern them."""

    signals: Sequence[SignalRow]
    payloads: list[Mapping[str, Any]]
    shapes: dict[tuple[int, str], list[Shape]]
    starts: dict[tuple[int, str], list[Start]]
    single: set[tuple[int, str]]

    workflows: dict[int, int]


@dataclass(slots=True)
class Decision:
    """What is to be written: deliveries as (signal, instance, workflow), and instances to create, in log order."""

    pairs: list[tuple[int, int, int]] = field(default_factory=list)
    wanted: list[NewInstance] = field(default_factory=list)

    def only(self, concerned: Mapping[int, set[int]]) -> None:
        """Leave out what concerns other workflows than these, by signal."""
        self.pairs = [each for each in self.pairs if each[2] in concerned[each[0]]]
        self.wanted = [each for each in self.wanted if each.workflow_id in concerned[each.signal_id]]


def read(signals: Sequence[SignalRow]) -> Batch:
    """Everything that is needed to decide about `signals`, in three statements."""
    tenants, names = {each.tenant_id for each in signals}, {each.name for each in signals}
    shapes: dict[tuple[int, str], list[Shape]] = defaultdict(list)
    workflows = {}
    rows = Template.objects.for_signals(tenants, names)
    for pk, tenant, name, workflow, fields in rows.values_list("pk", "tenant_id", "signal", "workflow_id", "fields"):
        shapes[tenant, name].append(Shape(pk, workflow, tuple((path, kind) for path, kind in fields)))
        workflows[pk] = workflow
    single = SignalType.objects.filter(tenant_id__in=tenants, name__in=names, deliver=Deliver.ONE)
    return Batch(
        signals=signals,
        payloads=[mapping(decode(each.payload)) for each in signals],
        shapes=shapes,
        starts=starts(tenants, names),
        single=set(single.values_list("tenant_id", "name")),
        workflows=workflows,
    )


def mapping(payload: Any) -> Mapping[str, Any]:
    """Criteria look into objects; anything else has no fields."""
    return payload if isinstance(payload, dict) else {}


def starts(tenants: Iterable[int], names: Iterable[str]) -> dict[tuple[int, str], list[Start]]:
    """The start conditions on these signals, of the versions that are current."""
    wanted = set(names)
    found: dict[tuple[int, str], list[Start]] = defaultdict(list)
    rows = Workflow.objects.startable().filter(tenant_id__in=tenants).order_by("pk")
    for tenant, pk, version, conditions, key_field in rows.values_list(
        "tenant_id", "pk", "version_id", "version__starts", "version__key_field"
    ):
        for each in conditions:
            if each["signal"] in wanted:
                criteria = Criteria.decode(each["criteria"])
                found[tenant, each["signal"]].append(Start(pk, version, criteria, bool(key_field)))
    return found


def probes(batch: Batch, count: int) -> list[Probe]:
    """One match key for each of the first `count` signals and each shape that waits for its name."""
    return [
        Probe(index, shape.id, payload_key_hash(shape.fields, batch.payloads[index]))
        for index, signal in enumerate(batch.signals[:count])
        for shape in batch.shapes.get((signal.tenant_id, signal.name), ())
    ]


def decide(batch: Batch, count: int, candidates: Sequence[Candidate], *, given: dict[int, set[int]]) -> Decision:
    """Who gets each of the first `count` signals. `given` are the workflows that signals were given to before."""
    decision = Decision()
    takers = matching(batch, candidates)
    promised = busy(batch, candidates)
    for index, signal in enumerate(batch.signals[:count]):
        got = set(given.get(signal.signal_id, ()))
        for workflow, instances in takers.get(index, {}).items():
            chosen = instances
            if (signal.tenant_id, signal.name) in batch.single:
                chosen = [] if workflow in got else longest_waiting(instances, promised)
            decision.pairs += [(signal.signal_id, instance, workflow) for instance in chosen]
            got.add(workflow)
        decision.wanted += created(batch, index, got)
    drop_second_of_key(decision)
    return decision


def matching(batch: Batch, candidates: Sequence[Candidate]) -> dict[int, dict[int, list[int]]]:
    """By signal and workflow, the instances with a wait that wants the signal; longest-waiting first, each once."""
    found: dict[int, dict[int, dict[int, None]]] = defaultdict(lambda: defaultdict(dict))
    for each in candidates:
        signal = batch.signals[each.place]
        if each.since.before(signal) and Criteria.decode(each.criteria).matches(batch.payloads[each.place]):
            found[each.place][batch.workflows[each.template_id]].setdefault(each.instance_id)
    return {index: {workflow: list(each) for workflow, each in by.items()} for index, by in found.items()}


def busy(batch: Batch, candidates: Sequence[Candidate]) -> set[int]:
    """Instances that were already given a signal they have not applied: a second one may find no wait there."""
    if not batch.single:
        return set()
    ids = {each.instance_id for each in candidates}
    rows = Delivery.objects.filter(instance_id__in=ids, state__in=[Given.READY, Given.HELD])
    return set(rows.values_list("instance_id", flat=True))


def longest_waiting(instances: Sequence[int], promised: set[int]) -> list[int]:
    """The one that gets a signal made for one; of those that are all promised something, the first."""
    free = [each for each in instances if each not in promised] or instances
    promised.add(free[0])
    return [free[0]]


def created(batch: Batch, index: int, got: set[int]) -> list[NewInstance]:
    """The instances that the signal starts, of workflows none of whose instances got it."""
    signal, payload = batch.signals[index], batch.payloads[index]
    wanted, seen = [], set(got)
    for start in batch.starts.get((signal.tenant_id, signal.name), ()):
        if start.workflow_id in seen or not start.criteria.matches(payload):
            continue
        seen.add(start.workflow_id)
        new = new_instance(signal, payload, start)
        if new is not None:
            wanted.append(new)
    return wanted


def new_instance(signal: SignalRow, payload: Mapping[str, Any], start: Start) -> NewInstance | None:
    """None when the workflow's source does not load: the signal is then recorded as not matched."""
    key = key_of(start.version_id, signal, payload) if start.keyed else None
    if start.keyed and key is None:
        return None
    return NewInstance(
        tenant_id=signal.tenant_id,
        workflow_id=start.workflow_id,
        version_id=start.version_id,
        key=key,
        signal_id=signal.signal_id,
        received_at=signal.received_at,
    )


def key_of(version_id: int, signal: SignalRow, payload: Mapping[str, Any]) -> str | None:
    """The key of the instance that the signal starts; None where there is none to be had."""
    try:
        return storable_key(program(version_id).signal_key(payload))
    except Unloadable as error:
        log.warning("start.unreadable", signal_id=signal.signal_id, version_id=version_id, error=str(error))
        return None


def drop_second_of_key(decision: Decision) -> None:
    """Leave out the starts whose key has a live instance, now or by an earlier signal of the batch."""
    keyed = [each for each in decision.wanted if each.key is not None]
    taken = live_keys(keyed)
    kept = []
    for each in decision.wanted:
        if each.key is not None:
            if (each.workflow_id, each.key) in taken:
                continue
            taken.add((each.workflow_id, each.key))
        kept.append(each)
    decision.wanted = kept


def live_keys(wanted: Sequence[NewInstance]) -> set[tuple[int, str]]:
    if not wanted:
        return set()
    rows = Instance.objects.filter(
        workflow_id__in={each.workflow_id for each in wanted}, live_key__in={each.key for each in wanted}
    )
    return {(workflow, key) for workflow, key in rows.values_list("workflow_id", "live_key") if key is not None}


def given_before(signals: Iterable[int]) -> dict[int, set[int]]:
    """The workflows whose instances were given these signals and did not decline them."""
    found: dict[int, set[int]] = defaultdict(set)
    rows = Delivery.objects.filter(signal_id__in=signals).exclude(state=Given.DECLINED)
    for signal, workflow in rows.values_list("signal_id", "instance__workflow_id"):
        found[signal].add(workflow)
    return found
