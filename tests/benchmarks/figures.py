"""What was measured: printed as a table at the end of a run and kept as JSON in build/benchmarks.json."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUTPUT = ROOT / "build" / "benchmarks.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    value: float
    unit: str


class Figures:
    """The figures of one run, in the order in which they were added."""

    def __init__(self) -> None:
        self.all: list[Figure] = []

    def add(self, name: str, value: float, unit: str) -> None:
        self.all.append(Figure(name=name, value=value, unit=unit))

    def table(self) -> str:
        width = max((len(each.name) for each in self.all), default=0)
        return "\n".join(f"{each.name:{width}}  {each.value:12,.2f}  {each.unit}" for each in self.all)

    def write(self) -> None:
        OUTPUT.parent.mkdir(exist_ok=True)
        figures = [asdict(each) for each in self.all]
        OUTPUT.write_text(json.dumps({"machine": machine(), "figures": figures}, indent=2) + "\n")


def machine() -> dict[str, str | int]:
    return {
        "processor": processor(),
        "cores": os.cpu_count() or 0,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def processor() -> str:
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
