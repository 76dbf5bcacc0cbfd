"""System checks of the workflow files."""

from __future__ import annotations

from typing import Any

from django.core.checks import CheckMessage, Error, Warning, register

from apps.definitions.scanning import look
from apps.lib.conf import conf


@register("workflows")
def folders_exist(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    return [
        Error(
            f"{path} of WORKFLOW_PATHS is no folder.",
            hint="Create it or take it out of WORKFLOW_PATHS.",
            id="wf_definitions.E001",
        )
        for path in conf.paths
        if not path.is_dir()
    ]


@register("workflows")
def files_load(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    # A warning: the other workflows work, so the engine must start.
    report = look(path for path in conf.paths if path.is_dir())
    return [
        Warning(
            f"{error.path}:{error.line or 1}: {error.message}",
            hint="Until it loads, the workflow stays as it was deployed last.",
            id="wf_definitions.W001",
        )
        for error in report.errors
    ]
