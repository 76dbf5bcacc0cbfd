"""``wf``: what a person does with workflow files on the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from resumable.check import check_paths


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``wf``; the exit code is 1 where something was found, 2 for a wrong command line."""
    parser = argparse.ArgumentParser(prog="wf", description="Tools for workflow files.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="find what would fail later or wait for ever")
    check.add_argument("paths", nargs="+", type=Path, help="files and folders")
    return check_command(parser.parse_args(arguments).paths)


def check_command(paths: Sequence[Path]) -> int:
    missing = [path for path in paths if not path.exists()]
    if missing:
        print(f"wf check: there is no {missing[0]}", file=sys.stderr)  # noqa: T201  # a command talks
        return 2
    findings = check_paths(paths)
    for finding in findings:
        print(finding)  # noqa: T201  # a command talks
    return 1 if findings else 0
