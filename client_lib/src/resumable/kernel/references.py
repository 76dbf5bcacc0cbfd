"""Names for classes and functions inside a snapshot, relative to the workflow's own source.

``:OrderPlaced`` is in the workflow's module, ``.rules:Limit`` in a module beside
it in the same artifact, ``decimal:Decimal`` anywhere else.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import MethodType
from typing import Any

from resumable.compiler.names import mangle
from resumable.errors import NotSaveable, SnapshotError

_LOCAL = "<locals>"


class References:
    """Turns classes and functions into names and back, for one workflow class.

    Things defined inside a function have no importable name. They are only
    kept for a workflow that is itself defined so, as tests do: such a snapshot
    cannot leave its process anyway.
    """

    def __init__(self, workflow: type) -> None:
        self._module = workflow.__module__
        self._package = workflow.__module__.rpartition(".")[0]
        self._keeps_local = _LOCAL in workflow.__qualname__
        self._local: dict[str, Any] = {}
        self._names: dict[int, tuple[Any, str]] = {}

    def name(self, thing: Any) -> str:
        """The name of a class or function.

        :raises NotSaveable: nothing can be found again under its name.
        """
        known = self._names.get(id(thing))
        if known is not None and known[0] is thing:
            return known[1]
        module, qualname = getattr(thing, "__module__", None), getattr(thing, "__qualname__", "")
        if module is None:
            module = "builtins"
        name = self.relative(module, qualname)
        if _LOCAL in qualname:
            self._keep_local(name, thing)
        elif not self._leads_to(name, thing):
            raise NotSaveable(f"{module}.{qualname} is not what its name leads to, so it cannot be found again")
        self._names[id(thing)] = (thing, name)
        return name

    def resolve(self, name: str) -> Any:
        """What the name stands for.

        :raises SnapshotError: nothing there.
        """
        try:
            return self._local[name] if _LOCAL in name else self._find(name)
        except (KeyError, AttributeError, ImportError) as error:
            raise SnapshotError(f"the snapshot names {name}, which the source does not have") from error

    def _leads_to(self, name: str, thing: Any) -> bool:
        try:
            return self._find(name) is thing
        except (AttributeError, ImportError):
            return False

    def _keep_local(self, name: str, thing: Any) -> None:
        if not self._keeps_local:
            raise NotSaveable(
                f"{thing.__qualname__} is defined inside a function; another process could not find it: "
                "define it at the top of the module"
            )
        self._local[name] = thing

    def relative(self, module: str, qualname: str) -> str:
        """The name of something in a module, as a snapshot writes it."""
        if module == self._module:
            module = ""
        elif self._package and module.startswith(self._package + "."):
            module = module[len(self._package) :]
        return f"{module}:{qualname}"

    def _find(self, name: str) -> Any:
        module_name, _, qualname = name.partition(":")
        if not module_name:
            module_name = self._module
        elif module_name.startswith("."):
            module_name = self._package + module_name
        module = sys.modules.get(module_name)
        found: Any = module if module is not None else import_module(module_name)
        around: str | None = None
        for part in qualname.split("."):
            # A private name is written without the class that it is stored under.
            found = getattr(found, mangle(part, around))
            around = part
        # A class method is found bound to its class; what is saved is the function.
        return found.__func__ if isinstance(found, MethodType) else found
