"""The demo, smaller: it checks itself order by order and says so by its exit status."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from workflow_engine.processes import ROOT

# It brings its own database and broker, whatever this run uses.
pytestmark = pytest.mark.sqlite


def test_the_demo_comes_out_as_its_input_implies() -> None:
    demo = [sys.executable, str(ROOT / "examples" / "orders" / "demo.py"), "--orders", "60", "--seed", "11"]
    done = subprocess.run(demo, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows = {
        name.strip(): (came, expected)
        for name, came, expected in re.findall(r"^(.{20}) +(\d+) +(\d+)$", done.stdout, re.M)
    }
    assert rows["orders"] == ("60", "60")
    assert rows["workers killed"] == ("1", "1")
    assert all(int(rows[name][0]) > 0 for name in ("shipped", "late", "refused", "abandoned", "duplicates ignored"))
    assert "<-- differs" not in done.stdout
