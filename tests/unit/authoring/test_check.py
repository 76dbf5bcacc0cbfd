"""``wf check`` finds what would fail later, and is silent about what works."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from resumable.check import Flake8, check_paths
from resumable.cli import main

HEAD = """
import time
from resumable import Signal, Workflow, all_of, cancel_scope, resumable, sleep

class Paid(Signal):
    order: str
    amount: int

"""

ROOT = Path(__file__).parent.parent.parent.parent


def found(folder: Path, body: str) -> list[tuple[str, int]]:
    path = folder / "flow.py"
    path.write_text(HEAD + body)
    return [(each.code, each.line - HEAD.count("\n")) for each in check_paths([path])]


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("await Paid.match()", "WF001"),
        ("Paid.match(order='A')", "WF002"),
        ("sleep(days=1)", "WF002"),
        ("self.sub()", "WF002"),
        ("time.sleep(3)", "WF004"),
        ("x = [await sleep(days=n) for n in (1, 2)]", "WF005"),
        ("await Paid.match(amount__gt=3)", "WF007"),
        ("await Paid.any()", "WF007"),
        ("f = open('x'); await sleep(days=1)\n        await sleep(days=1)", "WF008"),
        ("lazy = (n for n in [1])\n        await sleep(days=1)", "WF008"),
    ],
)
def test_each_mistake_has_its_code_and_line(tmp_path: Path, line: str, code: str) -> None:
    body = f"class Flow(Workflow):\n    async def run(self):\n        {line}\n    async def sub(self):\n        pass\n"
    assert found(tmp_path, body) == [(code, 3)]


def test_an_init_and_a_second_workflow_of_one_name_are_found(tmp_path: Path) -> None:
    body = "class A(Workflow, name='x'):\n    def __init__(self): pass\nclass B(A, name='x'):\n    pass\n"
    assert found(tmp_path, body) == [("WF003", 2), ("WF006", 3)]


def test_a_helper_is_checked_and_plain_code_is_not(tmp_path: Path) -> None:
    body = "@resumable\nasync def helper():\n    time.sleep(1)\n\ndef plain():\n    time.sleep(1)\n"
    assert found(tmp_path, body) == [("WF004", 3)]


def test_a_file_that_cannot_be_read_is_found(tmp_path: Path) -> None:
    assert found(tmp_path, "def broken(:\n")[0][0] == "WF005"


def test_the_examples_and_the_rule_stories_have_no_finding_that_fails() -> None:
    codes = {each.code for each in check_paths([ROOT / "examples", ROOT / "tests" / "rules" / "workflows"])}
    assert codes <= {"WF007"}


def test_the_command_says_what_it_found_and_exits_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "flow.py"
    path.write_text(HEAD + "class F(Workflow):\n    async def run(self):\n        await Paid.match()\n")
    assert main(["check", str(path)]) == 1
    assert f"{path}:{HEAD.count(chr(10)) + 3}:15: WF001" in capsys.readouterr().out
    path.write_text(HEAD)
    assert main(["check", str(tmp_path)]) == 0
    assert main(["check", str(tmp_path / "missing")]) == 2


def test_flake8_gets_the_same_findings() -> None:
    tree = ast.parse(HEAD + "class F(Workflow):\n    async def run(self):\n        await Paid.match()\n")
    ((line, column, message, _),) = Flake8(tree, "flow.py").run()
    assert (line, column) == (HEAD.count("\n") + 3, 14)
    assert message.startswith("WF001 ")
