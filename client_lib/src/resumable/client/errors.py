"""What the client raises, as one tree.

::

    ResumableError
    └── ClientError
        ├── PushFailed              nothing is known to be stored; carries the uids
        │   ├── OutboxFull          the file is at its limit, or the disk is full
        │   ├── OutboxBusy          another process held the file, or the writer lags
        │   └── OutboxBroken        SQLite refused for another reason
        ├── UidConflict             this uid was pushed before with another body
        ├── PayloadTooLarge         one item above the limit
        ├── OutboxUnusable          the file cannot be opened, or is not this service's
        ├── ClientClosed            used after ``close()``
        └── NotEnrolled             no key in the file and no usable enrolment token

A push that failed with :class:`PushFailed` may be pushed again with the uid the
error carries: should the first one have got through, the engine ignores the second.
"""

from __future__ import annotations

from collections.abc import Sequence

from resumable.errors import ResumableError


class ClientError(ResumableError):
    """Root of the client's errors."""

    code = "client_error"


class PushFailed(ClientError):
    """A push did not return from the outbox. ``uids`` are what to push again with."""

    code = "push_failed"

    def __init__(self, message: str, *, uids: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.uids = tuple(uids)

    @property
    def uid(self) -> str:
        """The uid of the push, the first one's of several."""
        return self.uids[0] if self.uids else ""


class OutboxFull(PushFailed):
    """No room: the file is at its limit or the disk is full. What was stored stays."""

    code = "outbox_full"


class OutboxBusy(PushFailed):
    """The file was held elsewhere for too long. The push may still be stored later."""

    code = "outbox_busy"


class OutboxBroken(PushFailed):
    """SQLite refused the write: the folder is read-only, the file damaged, I/O failed."""

    code = "outbox_broken"


class UidConflict(ClientError):
    """A uid names one fact for ever; this one was used for another."""

    code = "uid_conflict"

    def __init__(self, uid: str) -> None:
        super().__init__(f"uid {uid!r} was pushed before with another body; give each signal a uid of its own")
        self.uid = uid


class PayloadTooLarge(ClientError, ValueError):
    """An item above :data:`resumable.client.client.BODY_LIMIT`; store it elsewhere and push where it is."""

    code = "payload_too_large"


class OutboxUnusable(ClientError):
    """The outbox file cannot be opened: the message says why and what to do."""

    code = "outbox_unusable"


class ClientClosed(ClientError):
    """The client was used after ``close()``."""

    code = "client_closed"


class NotEnrolled(ClientError):
    """The engine does not know this service, and there is no enrolment token to introduce it with."""

    code = "not_enrolled"
