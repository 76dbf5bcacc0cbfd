"""What can go wrong, as one tree.

::

    ResumableError                 root of everything this library raises
    ├── WaitTimeout                a wait's time limit is over
    ├── WorkflowFailed             raised by an author to end an instance as failed
    ├── DefinitionError            a workflow's source cannot be made resumable
    ├── NotResumable               something was awaited that cannot be saved
    ├── NotSaveable                a value cannot be written into a snapshot
    ├── SnapshotError              a snapshot cannot be read back
    ├── UnknownScope               ``self.cancel(name)`` names no open scope
    ├── KeyInUse                   a live instance of the workflow has this key
    ├── UidConflict                a signal's uid was used before, with another payload
    ├── IllegalState               an operator's verb does not fit the instance's status
    └── OutsideTurn                a turn's clock was asked outside a turn

    WaitCancelled(BaseException)   cancellation, out of reach of ``except Exception``

Each class carries a ``code`` that never changes; pages, logs and the HTTP API
show it.
"""

from __future__ import annotations

from typing import ClassVar


class ResumableError(Exception):
    """Root of the library's errors."""

    code: ClassVar[str] = "resumable_error"


class WaitTimeout(ResumableError):
    """The time limit given by ``within`` or ``wait_for`` is over."""

    code = "wait_timeout"


class WorkflowFailed(ResumableError):
    """Raised by an author: the instance ends as ``failed``, for this reason."""

    code = "workflow_failed"


class DefinitionError(ResumableError):
    """A workflow's source cannot be made resumable.

    ``path`` and ``line`` name the place; the message says how to mend it.
    """

    code = "definition_error"

    def __init__(self, message: str, *, path: str = "", line: int = 0) -> None:
        super().__init__(f"{path}:{line}: {message}" if path else message)
        self.message = message
        self.path = path
        self.line = line


class NotResumable(ResumableError, TypeError):
    """Something was awaited that no snapshot could bring back."""

    code = "not_resumable"


class NotSaveable(ResumableError, TypeError):
    """A value cannot be written into a snapshot without being altered."""

    code = "not_saveable"


class SnapshotError(ResumableError):
    """A snapshot does not fit the source or the release that reads it."""

    code = "snapshot_error"


class UnknownScope(ResumableError, LookupError):
    """No open ``cancel_scope`` of the instance has this name."""

    code = "unknown_scope"


class KeyInUse(ResumableError):
    """A live instance of the workflow has this key already."""

    code = "key_in_use"


class UidConflict(ResumableError):
    """The uid was used for another payload; a uid names one signal for ever."""

    code = "uid_conflict"


class IllegalState(ResumableError):
    """The verb does not fit the status the instance has."""

    code = "illegal_state"


class OutsideTurn(ResumableError, RuntimeError):
    """Asked for something that only exists while a workflow runs."""

    code = "outside_turn"


class WaitCancelled(BaseException):
    """Raised at an await that was cancelled.

    A ``BaseException``, as ``asyncio.CancelledError`` is: ``except Exception``
    does not swallow it, ``finally`` runs.
    """

    code: ClassVar[str] = "wait_cancelled"
