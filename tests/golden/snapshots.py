"""Writes and reads golden snapshots; runs on every supported Python, without Django.

``python -m tests.golden.snapshots write FOLDER`` runs each workflow to its end
and keeps every snapshot on the way; ``check FOLDER`` goes on from each of them
and compares the end.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from resumable.criteria import Criteria
from resumable.kernel import Deliver, Event, Fire, OpenWait, Program, Start, Turn, advance, open_waits
from tests.golden import workflows

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
WORKFLOWS = (workflows.Values, workflows.Flow, workflows.Side)
LONGEST = 60


def event_for(wait: OpenWait, step: int) -> Event:
    if wait.kind == "timer":
        return Fire(wait=wait.number)
    (lookup,) = Criteria.decode(wait.criteria).root.children
    return Deliver(wait=wait.number, signal=workflows.Tick(n=int(lookup.value), v=step))  # type: ignore[union-attr]


def following(program: Program, snapshot: str, step: int) -> Turn:
    """The next turn; which wait goes on depends on the step alone."""
    waits = open_waits(snapshot)
    event = event_for(waits[step % len(waits)], step)
    return advance(program, snapshot, [event], now=BEGIN + timedelta(hours=step))


def finished(program: Program, snapshot: str, step: int) -> Any:
    """The result of going on from a snapshot to the end."""
    while step < LONGEST:
        turn = following(program, snapshot, step)
        if turn.outcome is not None:
            return turn.outcome.result  # type: ignore[union-attr]
        snapshot, step = turn.snapshot, step + 1
    raise AssertionError(f"{program.name} did not end")


def written(workflow: type) -> dict[str, Any]:
    """Every snapshot of a run, and its result."""
    program = Program(workflow)
    turn, snapshots = advance(program, None, [Start()], now=BEGIN), []
    while turn.outcome is None:
        snapshots.append(json.loads(turn.snapshot))
        turn = following(program, turn.snapshot, len(snapshots))
    result = turn.outcome.result  # type: ignore[union-attr]
    return {"workflow": workflow.__name__, "result": result, "snapshots": snapshots}


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for workflow in WORKFLOWS:
        text = json.dumps(written(workflow), indent=1, ensure_ascii=True)
        (folder / f"{workflow.__name__.lower()}.json").write_text(text + "\n")


def check(folder: Path) -> int:
    """Go on from every snapshot in the folder; how many there were."""
    count = 0
    for path in sorted(folder.glob("*.json")):
        data = json.loads(path.read_text())
        program = Program(getattr(workflows, data["workflow"]))
        for step, snapshot in enumerate(data["snapshots"], 1):
            found = finished(program, json.dumps(snapshot), step)
            assert found == data["result"], f"{path} from step {step}: {found}"
            count += 1
    return count


if __name__ == "__main__":
    {"write": write, "check": check}[sys.argv[1]](Path(sys.argv[2]))
