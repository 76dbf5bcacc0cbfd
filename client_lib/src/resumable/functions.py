"""Resumable functions as authors see them: calling one describes the call, awaiting it runs it."""

from __future__ import annotations

from collections.abc import Awaitable as Aw
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from inspect import CO_VARARGS, CO_VARKEYWORDS, iscoroutinefunction
from types import FunctionType
from typing import Any, ParamSpec, TypeVar, cast

from resumable.compiler.function import Function
from resumable.errors import DefinitionError
from resumable.waits import Awaitable

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, kw_only=True, eq=False)
class Invocation(Awaitable[Any]):
    """One call of a resumable function that has not begun: the function and its bound arguments."""

    function: Callable[..., Any]
    arguments: dict[str, Any]


def resumable(function: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, Aw[R]]:
    """Make a module-level ``async def`` resumable, for workflows to await.

    :raises DefinitionError: it holds an await that cannot be saved; names the line.
    """
    if not isinstance(function, FunctionType) or not iscoroutinefunction(function):
        raise TypeError(f"@resumable is for an `async def`, not {function!r}")
    return cast("Callable[P, Aw[R]]", wrapped(function))


def wrapped(function: FunctionType, owner: type | None = None) -> FunctionType:
    """A function with the same signature that returns an :class:`Invocation`.

    :param owner: the class that gets the wrapper, if it is not the one that defines the function.
    """
    module, name = function.__module__, function.__qualname__
    if owner is not None:
        module, name = owner.__module__, f"{owner.__qualname__}.{function.__name__}"
    compiled = Function(function, module, name)
    wrapper = _binder(function)
    wrapper.__globals__["__invoke__"] = lambda arguments: Invocation(function=wrapper, arguments=arguments)
    for attribute in ("__doc__", "__kwdefaults__", "__annotations__"):
        setattr(wrapper, attribute, getattr(function, attribute))
    wrapper.__module__, wrapper.__qualname__ = module, name
    wrapper.__dict__.update(function.__dict__)
    wrapper.__dict__.update(__wrapped__=function, __resumable_function__=compiled)
    compiled.wrapper = wrapper
    return wrapper


def compiled_function(wrapper: Callable[..., Any]) -> Function:
    """The compiled function behind a wrapper."""
    found = wrapper.__dict__.get("__resumable_function__")
    if found is None:
        raise DefinitionError(f"{wrapper!r} is not a resumable function")
    return cast("Function", found)


def _binder(function: FunctionType) -> FunctionType:
    """Binds arguments as Python does, and natively: its errors name the author's function."""
    code = function.__code__
    count = code.co_argcount + code.co_kwonlyargcount
    names = list(code.co_varnames[: count + 2])
    positional, keyword_only = names[: code.co_argcount], names[code.co_argcount : count]
    extra = names[count:]
    parts = positional[:]
    if code.co_posonlyargcount:
        parts.insert(code.co_posonlyargcount, "/")
    if code.co_flags & CO_VARARGS:
        parts.append("*" + extra.pop(0))
    elif keyword_only:
        parts.append("*")
    parts += keyword_only
    if code.co_flags & CO_VARKEYWORDS:
        parts.append("**" + extra[0])
    scope: dict[str, Any] = {}
    source = f"def binder({', '.join(parts)}): return __invoke__(__locals__())"
    exec(compile(source, code.co_filename, "exec"), scope)  # noqa: S102  # only names, from a code object
    made = scope["binder"].__code__.replace(
        co_name=function.__name__,
        co_qualname=function.__qualname__,
        co_firstlineno=code.co_firstlineno,
    )
    space = {"__name__": function.__module__, "__locals__": locals}
    return FunctionType(made, space, function.__name__, function.__defaults__)
