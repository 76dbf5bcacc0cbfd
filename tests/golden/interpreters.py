"""Other supported Pythons on this machine, each with an environment that holds just the library."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SUPPORTED = ("3.11", "3.12", "3.13")
PINS = ROOT / "requirements" / "library.txt"


def other_interpreters() -> list[Path]:
    """One interpreter for each supported version but the running one, where there is one."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = (_interpreter(version) for version in SUPPORTED if version != running)
    return [path for path in found if path is not None]


def _interpreter(version: str) -> Path | None:
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    managed = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    folders += sorted(managed.glob(f"{version}.*/bin"))
    for folder in folders:
        path = folder / f"python{version}"
        # A version manager's stand-in exists for versions that are not active, and then fails.
        if path.is_file() and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    return None


def environment(interpreter: Path) -> Path:
    """The Python of an environment with the library's pinned requirements, made once."""
    folder = ROOT / ".venv" / interpreter.name
    with (ROOT / ".venv" / f"{interpreter.name}.lock").open("w") as lock:
        # Tests run on several cores at once; the first makes it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / ".installed"
        if not stamp.exists() or stamp.stat().st_mtime < PINS.stat().st_mtime:
            _install(interpreter, folder)
            stamp.touch()
    return folder / "bin" / "python"


def _install(interpreter: Path, folder: Path) -> None:
    subprocess.run([interpreter, "-m", "venv", "--clear", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--require-hashes", "-r", PINS], check=True)
    (packages,) = (folder / "lib").glob("python3.*/site-packages")
    (packages / "resumable.pth").write_text(str(ROOT / "client_lib" / "src"))
