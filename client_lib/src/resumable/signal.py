"""Signals: immutable facts that services push and workflows wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self, dataclass_transform

import msgspec

from resumable.criteria import Criteria, Q
from resumable.waits import Match

#: Who gets a signal: every waiting instance, or the longest-waiting one of each workflow.
Deliver = Literal["all", "one"]


if TYPE_CHECKING:

    @dataclass_transform(frozen_default=True, field_specifiers=(msgspec.field,))
    class SignalMeta(type):
        """What type checkers make of signals: frozen, with the fields as arguments."""

    class _Struct:
        __struct_fields__: ClassVar[tuple[str, ...]]

        def __init_subclass__(cls, *, name: str | None = None, deliver: Deliver = "all", frozen: bool = True) -> None:
            """``name`` is the wire name, ``deliver`` who gets each signal."""

else:
    _Struct = msgspec.Struct

    class SignalMeta(type(msgspec.Struct)):
        """Keeps the wire name and the delivery rule of a signal class."""

        def __new__(mcls, classname, bases, namespace, /, *, name=None, deliver="all", **config):
            if deliver not in ("all", "one"):
                raise TypeError(f'{classname}: deliver is "all" or "one", not {deliver!r}')
            cls = super().__new__(mcls, classname, bases, namespace, **config)
            cls.__signal_name__ = name or classname
            cls.__signal_deliver__ = deliver
            return cls


class Signal(_Struct, frozen=True, metaclass=SignalMeta):
    """A typed payload. Its wire name is the class name unless ``name=`` says otherwise.

    ``deliver="one"`` gives each signal to the longest-waiting instance of each
    workflow instead of to all that match.
    """

    __signal_name__: ClassVar[str]
    __signal_deliver__: ClassVar[Deliver]

    @classmethod
    def match(cls, *q: Q, **lookups: object) -> Match[Self]:
        """A wait for a signal of this class that meets all lookups.

        :raises TypeError: no lookup at all (say :meth:`any`), an unknown
            field, or a value of a type that can never match.
        """
        if not q and not lookups:
            name = cls.__name__
            raise TypeError(f"{name}.match() has no criteria; to accept every {name} say {name}.any()")
        return Match(signal=cls, criteria=Criteria.build(cls, *q, **lookups))

    @classmethod
    def any(cls) -> Match[Self]:
        """A wait for any signal of this class."""
        return Match(signal=cls, criteria=Criteria.build(cls))
