"""The documentation names everything there is, and its links lead somewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import resumable
import resumable.client
import resumable.testing
from apps.instances.statuses import Status
from resumable.criteria import LOOKUPS
from resumable.kernel import decoder, scalars

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [*DOCS.rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("examples/*/README.md"), ROOT / "client_lib/README.md"]
)

LINK = re.compile(r"\]\((?!https?:)([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (DOCS / name).read_text()


def words(name: str) -> set[str]:
    """Everything that stands in backquotes, or in a fenced block, as identifiers."""
    page = text(name)
    quoted = re.findall(r"`([^`\n]+)`", FENCE.sub("", page)) + FENCE.findall(page)
    return {word for part in quoted for word in re.findall(r"\$?\w+", part)}


@pytest.mark.parametrize(
    ("module", "name"),
    [(resumable, "authoring"), (resumable.testing, "authoring"), (resumable.client, "client")],
)
def test_every_public_name_has_an_entry(module: ModuleType, name: str) -> None:
    page = text(f"reference/{name}.md")
    entries = re.findall(r"^###? .+$|^[ │]*[├└]── .+$|^ResumableError.*$|^WaitCancelled.+$", page, re.MULTILINE)
    missing = set(module.__all__) - set(re.findall(r"\w+", "\n".join(entries)))
    assert not missing, f"say in docs/reference/{name}.md what these are"


@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (resumable.Workflow, "authoring"),
        (resumable.Done, "authoring"),
        (resumable.testing.Shell, "authoring"),
        (resumable.testing.InstanceView, "authoring"),
        (resumable.testing.Sent, "authoring"),
        (resumable.client.WorkflowClient, "client"),
        (resumable.client.Outcome, "client"),
        (resumable.client.Stats, "client"),
        (resumable.client.Pace, "client"),
    ],
)
def test_every_public_member_is_said(cls: type, name: str) -> None:
    members = {member for member, _ in inspect.getmembers(cls) if not member.startswith("_")}
    members |= set(getattr(cls, "__dataclass_fields__", {}))
    assert not members - words(f"reference/{name}.md")


def test_every_lookup_is_on_its_page() -> None:
    assert not LOOKUPS - words("reference/lookups.md")


def test_every_tag_of_the_codec_is_on_the_snapshot_page() -> None:
    tags = {*scalars.DECODERS, *decoder._READERS}
    assert not tags - words("reference/snapshot.md")


def test_every_status_is_on_its_page() -> None:
    assert not set(Status.values) - words("reference/history.md")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        if anchor and found.suffix == ".md":
            assert anchor in anchors(found), target


def anchors(page: Path) -> set[str]:
    """The names under which a page's headings are found, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_every_page_is_reached_from_the_index() -> None:
    index = {(DOCS / target.partition("#")[0]).resolve() for target in LINK.findall(text("README.md"))}
    decisions = DOCS / "decisions"
    index |= {(decisions / target).resolve() for target in LINK.findall(text("decisions/README.md"))}
    unlisted = [str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md") if page.resolve() not in index]
    assert unlisted == ["README.md"], "list them in docs/README.md or docs/decisions/README.md"
