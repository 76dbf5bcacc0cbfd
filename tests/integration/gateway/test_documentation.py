"""What the reference shows is run as it stands, by a shell with curl and openssl."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps.accounts.services import default_tenant
from apps.catalog.services import enrol

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "http.md").read_text()
TOOLS = ("bash", "curl", "openssl", "date")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not all(map(shutil.which, TOOLS)), reason=f"needs {', '.join(TOOLS)}"),
]


def shown(section: str) -> str:
    """The first example of a section."""
    found = re.search(rf"^## {section}$.*?^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the page has no example under {section}"
    return found[1]


def run(script: str, **environ: str) -> Any:
    done = subprocess.run(
        ["bash", "-euc", script], env={"PATH": "/usr/bin:/bin", **environ}, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_the_examples_of_a_service_work(live_server: Any, doorbells: list[str]) -> None:
    token = enrol(default_tenant(), "orders")
    engine = {"ENGINE": live_server.url, "no_proxy": "*"}
    registered = run(f"python() {{ echo {token}; }}\n" + shown("Register a service"), **engine)
    service = {"SERVICE": "orders", "KEY_ID": registered["key_id"], "KEY": registered["key"], **engine}
    signing = shown("Signed requests")
    assert run(signing + shown("Declare signals"), **service)["declared"] == ["Shipped"]
    assert run(signing + shown("Push signals"), **service) == {"accepted": 1, "duplicates": 0, "rejected": []}
    assert run(signing + shown("Push signals"), **service)["duplicates"] == 1
    assert run(signing + shown("Start an instance"), **service)["code"] == "unknown_workflow"
