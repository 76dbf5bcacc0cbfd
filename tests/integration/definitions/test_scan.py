"""Deploying the workflow folders, and rule 11: an instance runs the source it began with."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django_celery_beat.models import PeriodicTask

from apps.catalog.models import SignalType
from apps.definitions import checks, programs, services
from apps.definitions.models import Artifact, LoadError, Version, Workflow
from apps.definitions.statuses import VersionStatus, WorkflowStatus
from apps.execution.services import start
from apps.instances.models import Instance
from tests import sources
from tests.conftest import Clock
from tests.integration.execution.flows import ORDERS, SIGNALS
from tests.integration.execution.harness import Harness

ROOT = Path(__file__).parents[3]


def test_a_deployed_workflow_is_there_with_its_version_and_signals(engine: Harness) -> None:
    assert not engine.deploy(ORDERS).errors
    workflow = Workflow.objects.select_related("version__artifact").get()
    assert (workflow.name, workflow.doc) == ("Orders", "Collects payments until the total is reached.")
    version = workflow.version
    assert version is not None
    assert (version.label, version.module, version.qualname, version.key_field) == ("1", "flows", "Orders", "order")
    assert version.artifact.files == {"flows.py": ORDERS}
    assert [each["signal"] for each in version.starts] == ["Placed"]
    assert dict(SignalType.objects.values_list("name", "deliver")) == {"Placed": "all", "Paid": "all", "Offer": "one"}


def test_deploying_again_changes_nothing(engine: Harness) -> None:
    engine.deploy(ORDERS)
    before = list(Version.objects.values()), list(Workflow.objects.values())
    assert not engine.deploy(ORDERS).errors
    assert (list(Version.objects.values()), list(Workflow.objects.values())) == before


def test_what_runs_goes_on_with_its_source_and_what_is_new_takes_the_new(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="old")
    engine.deploy(ORDERS.replace('return "paid"', 'return "paid, thank you"'))
    engine.send("Placed", order="new")
    engine.push_all([("Paid", {"order": order}) for order in ("old", "new")])
    engine.settle()
    assert (engine.by_key("old").result, engine.by_key("new").result) == ("paid", "paid, thank you")
    assert set(Version.objects.values_list("status", flat=True)) == {VersionStatus.ACTIVE, VersionStatus.SUPERSEDED}


def test_an_edit_that_takes_the_awaited_line_away_does_not_concern_what_runs(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="old", total=2)
    engine.deploy(
        SIGNALS
        + "\n\nclass Orders(Workflow, starts_on=Placed):\n    async def run(self, placed: Placed) -> None: ...\n"
    )
    for _ in range(2):
        engine.send("Paid", order="old")
    assert engine.by_key("old").result == "paid"


def test_an_edited_sibling_is_a_new_version(engine: Harness) -> None:
    (engine.folder / "texts.py").write_text('DONE = "old text"\n')
    source = "import texts\n" + ORDERS.replace('return "paid"', "return texts.DONE").replace(
        "from __future__ import annotations\n", "", 1
    )
    engine.deploy(source)
    engine.send("Placed", order="old")
    (engine.folder / "texts.py").write_text('DONE = "new text"\n')
    engine.deploy(source)
    engine.send("Placed", order="new")
    engine.push_all([("Paid", {"order": order}) for order in ("old", "new")])
    engine.settle()
    assert (engine.by_key("old").result, engine.by_key("new").result) == ("old text", "new text")


def test_an_old_content_that_comes_back_is_the_old_version(engine: Harness) -> None:
    changed = ORDERS.replace('return "paid"', 'return "other"')
    for source in (ORDERS, changed, ORDERS):
        engine.deploy(source)
    assert (Version.objects.count(), Artifact.objects.count()) == (2, 2)
    first = Version.objects.order_by("pk")[0]
    assert Workflow.objects.get().version_id == first.pk
    assert first.status == VersionStatus.ACTIVE


def test_after_the_file_is_deleted_nothing_starts_and_what_runs_goes_on(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.send("Placed", order="old")
    (engine.folder / "flows.py").unlink()
    services.scan([engine.folder], tenant=engine.tenant)
    assert Workflow.objects.get().status == WorkflowStatus.ABSENT
    programs._programs.clear()
    sources.forget()
    engine.send("Placed", order="new")
    engine.send("Paid", order="old")
    assert list(Instance.objects.values_list("key", "result")) == [("old", "paid")]
    with pytest.raises(start.UnknownWorkflow):
        start.start_instance(engine.tenant, "Orders", [{"order": "x"}])


def test_a_file_that_does_not_load_is_reported_and_hinders_no_other(engine: Harness) -> None:
    (engine.folder / "broken.py").write_text("x = 1\ndef f(:\n")
    report = engine.deploy(ORDERS)
    assert [each.program.name for each in report.found] == ["Orders"]
    error = LoadError.objects.get()
    assert (error.path, error.line) == (str(engine.folder / "broken.py"), 2)
    (engine.folder / "broken.py").write_text("x = 1\n")
    engine.deploy(ORDERS)
    assert not LoadError.objects.exists()


def test_an_await_that_cannot_be_resumed_names_file_and_line(engine: Harness) -> None:
    source = (
        SIGNALS
        + "\n\nclass Bad(Workflow):\n    async def run(self) -> None:\n        x = [await Paid.any() for _ in (1, 2)]\n"
    )
    engine.deploy(source, "bad.py")
    error = LoadError.objects.get()
    assert error.path == str(engine.folder / "bad.py")
    assert error.line == source.count("\n")
    assert "artifact:" not in str(error)
    assert str(error).count("bad.py") == 1


def test_a_broken_edit_leaves_the_deployed_version(engine: Harness) -> None:
    engine.deploy(ORDERS)
    engine.deploy(ORDERS + "\n)")
    engine.send("Placed", order="A1")
    engine.send("Paid", order="A1")
    assert engine.only().result == "paid"
    assert Workflow.objects.get().status == WorkflowStatus.ACTIVE


def test_of_two_files_with_one_workflow_the_first_counts(engine: Harness) -> None:
    engine.deploy(ORDERS, "a.py")
    report = engine.deploy(ORDERS.replace('return "paid"', 'return "second"'), "b.py")
    assert [error.path for error in report.errors] == [str(engine.folder / "b.py")]
    assert "already defined" in LoadError.objects.get().message
    assert Version.objects.get().module == "a"


def test_a_schedule_is_kept_in_step(engine: Harness, clock: Clock) -> None:
    source = SIGNALS + "\n\nclass Nightly(Workflow, schedule={}):\n    async def run(self) -> int:\n        return 1\n"
    engine.deploy(source.format('"30 2 * * *"'))
    row = PeriodicTask.objects.get(task="schedules.start")
    assert (row.crontab.hour, row.crontab.minute, str(row.crontab.timezone)) == ("2", "30", "UTC")
    engine.deploy(source.format("timedelta(minutes=5)"))
    row = PeriodicTask.objects.get(task="schedules.start")
    assert (row.interval.every, row.interval.period, row.crontab, row.last_run_at) == (300, "seconds", None, clock())
    start.start_scheduled(Workflow.objects.get().pk)
    engine.settle()
    assert engine.only().result == 1
    (engine.folder / "flows.py").unlink()
    services.scan([engine.folder], tenant=engine.tenant)
    assert not PeriodicTask.objects.filter(task="schedules.start").exists()


def test_a_schedule_that_is_none_is_an_error_of_its_file(engine: Harness) -> None:
    engine.deploy(SIGNALS + '\n\nclass Bad(Workflow, schedule="99 2 * * *"):\n    async def run(self) -> None: ...\n')
    assert "99 2 * * *" in LoadError.objects.get().message
    assert not Workflow.objects.exists()


def test_only_a_changed_folder_is_scanned_again(engine: Harness, workflow_settings: object) -> None:
    workflow_settings(paths=(engine.folder,))  # type: ignore[operator]
    (engine.folder / "flows.py").write_text(ORDERS)
    assert services.scan_changed() is not None
    assert services.scan_changed() is None
    (engine.folder / "flows.py").write_text(ORDERS + "\n")
    assert services.scan_changed() is not None


def test_the_command_and_the_checks_name_what_does_not_load(
    engine: Harness, workflow_settings: object, capsys: pytest.CaptureFixture[str]
) -> None:
    workflow_settings(paths=(engine.folder, engine.folder / "none"))  # type: ignore[operator]
    (engine.folder / "flows.py").write_text("def f(:\n")
    assert [each.id for each in checks.folders_exist()] == ["wf_definitions.E001"]
    assert [each.id for each in checks.files_load()] == ["wf_definitions.W001"]
    workflow_settings(paths=(engine.folder,))  # type: ignore[operator]
    call_command("load_workflows")
    assert f"{engine.folder / 'flows.py'}:1: syntax error" in capsys.readouterr().err
    with pytest.raises(CommandError, match="1 do not load"):
        call_command("load_workflows", "--strict")


RESTARTED = """
import sys
import django
django.setup()
from pathlib import Path
from apps.lib import doorbell
from tests.integration.execution.harness import Harness
if sys.argv[2] == "begin":
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
with doorbell.sent_to(lambda name: None):
    engine = Harness(Path(sys.argv[1]))
    if sys.argv[2] == "begin":
        engine.deploy(Path(sys.argv[3]).read_text())
        engine.send("Placed", order="old")
    else:
        engine.push("Paid", uid="paid", order="old")
        engine.settle()
        print(engine.by_key("old").result)
"""


def test_a_new_process_runs_the_stored_source_when_the_file_is_gone(
    engine_environ: dict[str, str], tmp_path: Path
) -> None:
    folder, source = tmp_path / "flows", tmp_path / "source.py"
    folder.mkdir()
    source.write_text(ORDERS)

    def process(step: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", RESTARTED, str(folder), step, str(source)],
            env=engine_environ,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=timedelta(seconds=60).total_seconds(),
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    process("begin")
    (folder / "flows.py").unlink()
    assert process("go on").endswith("paid")
