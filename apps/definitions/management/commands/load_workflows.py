from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.definitions.services import scan


class Command(BaseCommand):
    help = (
        "Deploys the workflow files of WORKFLOW_PATHS. A file that does not load is reported; the others are deployed."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--strict", action="store_true", help="exit with 1 when a file does not load")

    def handle(self, *args: Any, **options: Any) -> None:
        report = scan()
        for each in report.found:
            self.stdout.write(f"{each.program.name} {each.program.label}  {each.path}")
        for error in report.errors:
            where = f"{error.path}:{error.line}" if error.line else error.path
            self.stderr.write(f"{where}: {error.message}")
        if report.errors and options["strict"]:
            raise CommandError(f"{len(report.errors)} do not load; the others are deployed", returncode=1)
