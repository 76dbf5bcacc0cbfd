"""The event log of a real permit process: `RECEIPT_LOG`, or `shared/data/receipt.csv.gz` beside the checkout."""

from __future__ import annotations

import csv
import gzip
import os
from collections import defaultdict
from datetime import datetime
from pathlib import Path

from tests.acceptance.workflows.receipt import ReceiptEvent

ROOT = Path(__file__).resolve().parents[2]
PATH = Path(os.environ.get("RECEIPT_LOG") or ROOT.parent / "shared" / "data" / "receipt.csv.gz")
CASES, EVENTS = 1434, 8577


def read() -> list[ReceiptEvent]:
    """All events in the order in which they happened; of events of one case at one moment the file's order counts."""
    with gzip.open(PATH, "rt", newline="") as file:
        rows = list(csv.DictReader(file))
    rows.sort(key=lambda row: datetime.fromisoformat(row["time:timestamp"]))
    last = {row["case:concept:name"]: index for index, row in enumerate(rows)}
    return [
        ReceiptEvent(
            case=row["case:concept:name"],
            activity=row["concept:name"],
            resource=row["org:resource"],
            at=datetime.fromisoformat(row["time:timestamp"]),
            last=last[row["case:concept:name"]] == index,
        )
        for index, row in enumerate(rows)
    ]


def by_case(events: list[ReceiptEvent]) -> dict[str, list[str]]:
    """case → its activities in order: what the instances must have collected."""
    found: dict[str, list[str]] = defaultdict(list)
    for each in events:
        found[each.case].append(each.activity)
    return dict(found)
