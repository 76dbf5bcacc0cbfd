"""What a service author may import."""

from __future__ import annotations

import subprocess
import sys

import resumable.client
from resumable.client import errors
from resumable.errors import ResumableError


def test_the_public_names_are_these_and_sorted() -> None:
    assert resumable.client.__all__ == sorted(resumable.client.__all__)
    assert resumable.client.__all__ == [
        "ClientClosed",
        "ClientError",
        "NotEnrolled",
        "OutboxBroken",
        "OutboxBusy",
        "OutboxFull",
        "OutboxUnusable",
        "Outcome",
        "Pace",
        "PayloadTooLarge",
        "PushFailed",
        "Stats",
        "UidConflict",
        "WorkflowClient",
    ]


def test_every_error_has_a_code_of_its_own_and_stands_in_the_drawn_tree() -> None:
    found = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, ResumableError)]
    codes = [each.code for each in found]
    assert len(codes) == len(set(codes))
    assert errors.__doc__ is not None
    assert all(each.__name__ in errors.__doc__ for each in found)


def test_the_client_needs_neither_django_nor_celery() -> None:
    script = "import sys, resumable.client; print([each for each in ('django', 'celery') if each in sys.modules])"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == "[]"
