"""Each rule story runs in each world: on the shell always, on the engine with the database of the run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.rules.world import ShellWorld, World


@pytest.fixture(params=["shell", pytest.param("engine", marks=pytest.mark.django_db)])
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """A world with the stories' workflows loaded and nothing running."""
    if request.param == "shell":
        yield ShellWorld()
        return
    from tests.rules.engine_world import EngineWorld

    with EngineWorld() as engine:
        yield engine
