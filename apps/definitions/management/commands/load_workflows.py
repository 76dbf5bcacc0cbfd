from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.definitions.services import scan


class Command(BaseCommand):
    help = (
        "Deploys the workflow files of WORKFLOW_PATHS. A file that does not load is reported; the others are deployed."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        report = scan()
        for each in report.found:
            self.stdout.write(f"{each.program.name} {each.program.label}  {each.path}")
        for error in report.errors:
            where = f"{error.path}:{error.line}" if error.line else error.path
            self.stderr.write(f"{where}: {error.message}")
