from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand

from apps.accounts.services import default_tenant
from apps.catalog.services import enrol

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Print a token with which a service can register once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("service", help="the service's name, as its WorkflowClient is given it")

    def handle(self, *args: Any, service: str, **options: Any) -> None:
        self.stdout.write(enrol(default_tenant(), service))
