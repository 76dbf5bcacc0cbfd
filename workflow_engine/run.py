"""`make run`: the whole engine on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import socket
import sys
import threading
from pathlib import Path

import django
from django.core.management import call_command
from honcho.manager import Manager

from workflow_engine import env
from workflow_engine.processes import HOST, ROOT, commands, environment, wait_for_web

EXAMPLES = ROOT / "examples" / "orders" / "workflows"
OPERATOR = "operator"
WEB_PORT, FLOWER_PORT = 8000, 5555


def free_port(variable: str, first: int) -> int:
    """The port in `variable`; without one, `first` or the next that nobody listens on."""
    if variable in os.environ:
        return env.parsed(variable, env.to_number, first)
    return next(port for port in range(first, first + 1000) if is_free(port))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        # As the servers do: a port on which connections are only fading is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def prepare() -> None:
    """Bring the database up to date and deploy the workflows."""
    call_command("migrate", verbosity=0)
    call_command("load_workflows")


def operator_password(folder: Path) -> str:
    """The password of the first login, made on the first run and kept in `folder` for its owner alone."""
    from django.contrib.auth.models import User

    path = folder / "operator_password"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        env.write_once(path, secrets.token_urlsafe(12))
    password = path.read_text().strip()
    if not User.objects.filter(username=OPERATOR).exists():
        User.objects.create_superuser(OPERATOR, password=password)
    return password


def wanted() -> dict[str, str]:
    """The processes to start: no broker of our own where one is given."""
    given = "BROKER_URL" in os.environ
    return {name: command for name, command in commands().items() if not (given and name == "broker")}


def announce(address: str, lines: list[str]) -> None:
    """Say where the engine is, once it is there."""
    wait_for_web(address)
    rule = "-" * max(map(len, lines))
    print("\n".join(("", rule, *lines, rule, "")), flush=True)


def main() -> int:
    if "WORKFLOW_PATHS" not in os.environ and EXAMPLES.is_dir():
        os.environ["WORKFLOW_PATHS"] = str(EXAMPLES)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "workflow_engine.settings")
    django.setup()
    from django.conf import settings

    prepare()
    password = operator_password(settings.VAR_DIR)
    web, flower = free_port("WEB_PORT", WEB_PORT), free_port("FLOWER_PORT", FLOWER_PORT)
    environ = environment(
        WEB_PORT=str(web),
        FLOWER_PORT=str(flower),
        FLOWER_BASIC_AUTH=f"{OPERATOR}:{password}",
        WORKFLOW_FLOWER="on",
    )
    manager = Manager()
    for name, command in wanted().items():
        manager.add_process(name, command, env=environ, cwd=str(ROOT))
    lines = [
        f"The engine   http://{HOST}:{web}/admin/   API: http://{HOST}:{web}/api/v1/schema",
        f"Flower       http://{HOST}:{flower}/",
        f"Login        {OPERATOR} / {password}   (kept in {settings.VAR_DIR / 'operator_password'})",
        "Ctrl-C stops everything.",
    ]
    threading.Thread(target=announce, args=(f"http://{HOST}:{web}", lines), daemon=True).start()
    manager.loop()
    # Stopping is what was asked for, so a signal's own exit status is not an error.
    return 0 if manager.returncode in (130, 143) else manager.returncode or 0


if __name__ == "__main__":
    sys.exit(main())
