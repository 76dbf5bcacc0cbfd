"""Sources are loaded from what is stored, each content as a package of its own."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from apps.definitions import loader
from apps.definitions.artifacts import Folder, Unloadable, dotted
from tests import sources


@pytest.fixture(autouse=True)
def unloaded() -> Iterator[None]:
    yield
    sources.forget()


def write(root: Path, more: dict[str, str] | None = None, /, **files: str) -> Folder:
    for name, source in {**(more or {}), **files}.items():
        path = root / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(source)
    return Folder(root)


def load(folder: Folder, module: str) -> ModuleType:
    content = folder.content(module)
    return loader.load(content.hash, content.files, content.module)


def test_a_file_brings_the_siblings_it_imports_and_no_others(tmp_path: Path) -> None:
    folder = write(tmp_path, a="import b\n", b="from c import X\n", c="X = 1\n", d="X = 2\n")
    assert sorted(folder.content("a").files) == ["a.py", "b.py", "c.py"]


def test_siblings_are_found_however_they_are_imported(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        {
            "rates": "VAT = 7\n",
            "shop/__init__": "",
            "shop/names": "NAME = 'x'\n",
            "shop/flow": """
import rates
import shop.names
from rates import VAT
from . import names
from .names import NAME as near
from shop.names import NAME as far

def late():
    import rates as again
    from shop import names as other
    return again.VAT, other.NAME
""",
        },
    )
    flow = load(folder, "shop.flow")
    assert (flow.rates.VAT, flow.VAT, flow.near, flow.far) == (7, 7, "x", "x")
    assert flow.shop.names is flow.names
    assert flow.late() == (7, "x")


def test_versions_never_meet(tmp_path: Path) -> None:
    folder = write(tmp_path, a="import b\ndef f():\n    import b as later\n    return b.X, later.X\n", b="X = 1\n")
    first = load(folder, "a")
    write(tmp_path, b="X = 2\n")
    second = load(folder, "a")
    assert (first.f(), second.f()) == ((1, 1), (2, 2))
    assert first.__name__ != second.__name__


def test_the_same_content_is_loaded_once(tmp_path: Path) -> None:
    folder = write(tmp_path, a="marker = object()\n")
    assert load(folder, "a").marker is load(folder, "a").marker


def test_a_traceback_shows_the_lines_that_ran_also_after_an_edit(tmp_path: Path) -> None:
    folder = write(tmp_path, a="def f():\n    raise ValueError('the old line')\n")
    module = load(folder, "a")
    write(tmp_path, a="# nothing here any more\n\n")
    with pytest.raises(ValueError, match="old line") as caught:
        module.f()
    shown = "".join(traceback.format_exception(caught.value))
    assert "raise ValueError('the old line')" in shown
    assert "a.py" in shown


def test_concurrent_loads_of_many_versions_stay_apart(tmp_path: Path) -> None:
    contents = []
    for number in range(8):
        folder = write(tmp_path, a="import b\ndef f():\n    return b.X\n", b=f"import time\nX = {number}\n")
        contents.append(folder.content("a"))
    found: dict[tuple[int, int], int] = {}
    gate = threading.Barrier(16)

    def run(worker: int) -> None:
        gate.wait()
        for place in range(8):
            number = (place + worker) % 8
            content = contents[number]
            found[worker, number] = loader.load(content.hash, content.files, "a").f()

    threads = [threading.Thread(target=run, args=(worker,)) for worker in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 128
    assert all(value == number for (_, number), value in found.items())


@pytest.mark.parametrize(
    ("files", "line", "words"),
    [
        ({"a": "x = 1\ny = (\n"}, 2, "never closed"),
        ({"a": "x = 1\n\nz = undefined\n"}, 3, "NameError"),
        ({"a": "import b\n", "b": "x = 1\n1 / 0\n"}, 2, "ZeroDivisionError"),
        ({"a": "import b\n", "b": "def f(:\n"}, 1, "syntax error"),
        ({"a": "x = 1\nfrom b import missing\n", "b": ""}, 2, "ImportError"),
    ],
)
def test_what_does_not_load_says_where(tmp_path: Path, files: dict[str, str], line: int, words: str) -> None:
    with pytest.raises(Unloadable) as caught:
        load(write(tmp_path, **files), "a")
    assert caught.value.line == line
    assert words in caught.value.message


def test_a_failed_load_can_be_repeated(tmp_path: Path) -> None:
    folder = write(tmp_path, a="1 / 0\n")
    for _ in range(2):
        with pytest.raises(Unloadable, match="ZeroDivisionError"):
            load(folder, "a")


def test_module_names() -> None:
    assert [dotted(Path(path)) for path in ("a.py", "a/b.py", "a/__init__.py")] == ["a", "a.b", "a"]
