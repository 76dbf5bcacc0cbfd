"""How the engine comes to know the service and its signals.

The key of the first enrolment is kept in the outbox file, so a restart needs no
token. Signals are declared before the first one is sent; what was declared is
noted in the file too.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import msgspec

from resumable.client.errors import NotEnrolled
from resumable.client.filelock import FileLock
from resumable.client.transport import Answer, Credential, EngineAway, Transport, Verdict, verdict
from resumable.client.writer import Writer
from resumable.wire.bodies import (
    DeclarationRejected,
    Declared,
    DeclareRequest,
    Registered,
    RegisterRequest,
    SignalDeclaration,
)

logger = logging.getLogger(__name__)

T = TypeVar("T")

REGISTER_PATH = "/api/v1/services/register"


class Registration:
    """Credential and declarations of one service. Called by the dispatcher only, but for :meth:`changed`."""

    def __init__(self, service: str, token: str | None, writer: Writer, transport: Transport, outbox: Path) -> None:
        self._service = service
        self._token = token
        self._writer = writer
        self._transport = transport
        self._lock_path = outbox.with_name(outbox.name + ".enrol.lock")
        self._credential: Credential | None = None
        self._changed = threading.Event()
        self._changed.set()

    def credential(self) -> Credential:
        """The key to sign with: from the file, else from the engine for the token.

        :raises NotEnrolled: there is neither.
        :raises EngineAway: the engine did not answer the enrolment.
        """
        if self._credential is None:
            self._credential = self._stored() or self._enrol(None)
        return self._credential

    def refused(self, reason: str) -> None:
        """The engine does not accept the credential. Finds another one for the next try.

        :raises NotEnrolled: there is no other.
        """
        spent, self._credential = self._credential, None
        stored = self._stored()
        # Another process of the service may have enrolled or rotated meanwhile.
        if stored is not None and stored != spent:
            self._credential = stored
            return
        logger.error("credential_refused service=%s reason=%s", self._service, reason)
        try:
            self._credential = self._enrol(spent)
        except NotEnrolled as error:
            self._credential = spent
            raise NotEnrolled(f"{reason}; {error}") from error

    def changed(self) -> None:
        """A declaration was written into the file: look before the next batch."""
        self._changed.set()

    def declare(self) -> None:
        """Tells the engine of all signals it was not told of yet.

        :raises EngineAway: it did not answer.
        :raises NotEnrolled: see :meth:`credential`.
        """
        if not self._changed.is_set():
            return
        self.credential()  # an enrolment declares everything itself
        # Cleared first: a declaration written from here on sets it again.
        self._changed.clear()
        try:
            self._declare(self._writer.submit(undeclared).result())
        except BaseException:
            self._changed.set()
            raise

    def redeclare(self, name: str) -> bool:
        """Declares ``name`` once more at the next turn; False if this file has no declaration of it."""
        known = self._writer.submit(lambda connection: forget_declared(connection, name)).result()
        self._changed.set()
        return known

    def _declare(self, bodies: Mapping[str, str]) -> None:
        if not bodies:
            return
        request = msgspec.json.encode(DeclareRequest(signals=_declarations(bodies)))
        path = f"/api/v1/services/{self._service}/signals"
        answer = self._transport.send("PUT", path, request, self.credential())
        if verdict(answer) is Verdict.UNAUTHORIZED:
            self.refused(_reason(answer))
            raise EngineAway("the signals are declared again with the new key", retry_after=0.0)
        declared = _read(answer, Declared)
        self._note(bodies, declared.rejected)

    def _enrol(self, spent: Credential | None) -> Credential:
        lock = FileLock(self._lock_path)
        try:
            with lock:  # a token can be used once: of two processes the second waits, and finds the first one's key
                stored = self._stored()
                return stored if stored is not None and stored != spent else self._ask_for_key()
        finally:
            lock.close()

    def _ask_for_key(self) -> Credential:
        if self._token is None:
            raise NotEnrolled(
                f"service {self._service!r} has no key: pass enrol= a token that an operator made for this service"
            )
        bodies = self._writer.submit(all_declarations).result()
        request = RegisterRequest(service=self._service, token=self._token, signals=_declarations(bodies))
        answer = self._transport.send("POST", REGISTER_PATH, msgspec.json.encode(request))
        if verdict(answer) is Verdict.UNAUTHORIZED:
            self._token = None
            raise NotEnrolled(f"the enrolment token was refused ({_reason(answer)}): ask an operator for a new one")
        if verdict(answer) is Verdict.REFUSED:
            raise NotEnrolled(f"the engine refused to enrol {self._service!r}: {_reason(answer)}")
        return self._keep(_read(answer, Registered), bodies)

    def _keep(self, registered: Registered, bodies: Mapping[str, str]) -> Credential:
        credential = Credential(service=registered.service, key_id=registered.key_id, key=registered.key)
        self._writer.submit(lambda connection: store_credential(connection, credential, time.time())).result()
        self._token = None
        self._note(bodies, registered.rejected)
        logger.info("service_enrolled service=%s key_id=%s", credential.service, credential.key_id)
        return credential

    def _note(self, bodies: Mapping[str, str], rejected: tuple[DeclarationRejected, ...]) -> None:
        for each in rejected:
            logger.error("declaration_refused signal=%s code=%s detail=%s", each.name, each.code, each.detail)
        self._writer.submit(lambda connection: note_declared(connection, bodies, time.time())).result()

    def _stored(self) -> Credential | None:
        return self._writer.submit(lambda connection: stored_credential(connection, self._service)).result()


def _read(answer: Answer, shape: type[T]) -> T:
    if verdict(answer) is not Verdict.DONE:
        raise EngineAway(f"{answer.status} {_reason(answer)}", retry_after=answer.retry_after)
    try:
        return msgspec.json.decode(answer.body, type=shape)
    except msgspec.MsgspecError as error:
        raise EngineAway(f"{answer.status} with a body that is not the engine's: {error}") from error


def _reason(answer: Answer) -> str:
    return f"{answer.problem.code}: {answer.problem.detail}" if answer.problem else answer.body[:200].decode("latin-1")


def _declarations(bodies: Mapping[str, str]) -> dict[str, SignalDeclaration]:
    return {name: msgspec.json.decode(body, type=SignalDeclaration) for name, body in bodies.items()}


def store_declaration(connection: sqlite3.Connection, name: str, body: str) -> None:
    """Notes what the service says of a signal; to be declared if that is new."""
    connection.execute(
        "INSERT INTO declaration (name, body) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET body = excluded.body, declared_at = NULL WHERE body <> excluded.body",
        (name, body),
    )


def undeclared(connection: sqlite3.Connection) -> dict[str, str]:
    """What the engine was not told of yet."""
    return dict(connection.execute("SELECT name, body FROM declaration WHERE declared_at IS NULL").fetchall())


def all_declarations(connection: sqlite3.Connection) -> dict[str, str]:
    """All signals of the service, as JSON by name."""
    return dict(connection.execute("SELECT name, body FROM declaration").fetchall())


def note_declared(connection: sqlite3.Connection, bodies: Mapping[str, str], now: float) -> None:
    """The engine was told of these; one that has changed since stays to be declared."""
    connection.executemany(
        "UPDATE declaration SET declared_at = ? WHERE name = ? AND body = ?",
        [(now, name, body) for name, body in bodies.items()],
    )


def forget_declared(connection: sqlite3.Connection, name: str) -> bool:
    """The engine does not know ``name`` after all. False if this file does not either."""
    return connection.execute("UPDATE declaration SET declared_at = NULL WHERE name = ?", (name,)).rowcount > 0


def store_credential(connection: sqlite3.Connection, credential: Credential, now: float) -> None:
    """Keeps a key; the newest is the one to sign with."""
    connection.execute("INSERT OR REPLACE INTO credential VALUES (?, ?, ?)", (credential.key_id, credential.key, now))


def stored_credential(connection: sqlite3.Connection, service: str) -> Credential | None:
    """The newest key of the file."""
    row = connection.execute("SELECT key_id, key FROM credential ORDER BY made_at DESC LIMIT 1").fetchone()
    return Credential(service=service, key_id=row[0], key=row[1]) if row else None
