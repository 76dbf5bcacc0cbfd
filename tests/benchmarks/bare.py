"""What PostgreSQL and Python cost at least: the rows that the engine writes for a signal, written by a bare script.

No HTTP, no Celery, no kernel, no criteria, no safety against other workers; the same tables, indexes and commits, by
the batch: store the signals; match them and give them out; load the instances, change their snapshots, save them with
a new wait and a line of history each.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import psycopg

BATCH = 500

TAKE_IDS = "SELECT nextval(pg_get_serial_sequence('wf_signal', 'id')) FROM generate_series(1, %s)"
MATCH = """
SELECT probe.signal_id, wait.instance_id
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS probe (signal_id, template_id, key_hash)
JOIN wf_wait wait ON wait.template_id = probe.template_id AND wait.key_hash = probe.key_hash
"""
GIVE = """
INSERT INTO wf_delivery (signal_id, instance_id, state, created_at)
SELECT signal_id, instance_id, 'ready', now() FROM unnest(%s::bigint[], %s::bigint[]) AS given (signal_id, instance_id)
ON CONFLICT DO NOTHING
"""
LOAD = """
SELECT delivery.id, delivery.signal_id, instance.id, instance.revision, instance.snapshot, signal.payload
FROM wf_instance instance
JOIN wf_delivery delivery ON delivery.instance_id = instance.id AND delivery.state = 'ready'
JOIN wf_signal signal ON signal.id = delivery.signal_id
WHERE instance.id = ANY (%s) ORDER BY instance.id FOR NO KEY UPDATE OF instance
"""
SAVE = """
UPDATE wf_instance SET revision = given.revision, snapshot = given.snapshot, updated_at = now()
FROM unnest(%s::bigint[], %s::integer[], %s::text[]) AS given (id, revision, snapshot)
WHERE wf_instance.id = given.id AND wf_instance.revision = given.revision - 1
"""
RENEW = """
WITH gone AS (DELETE FROM wf_wait WHERE instance_id = ANY (%s) RETURNING *)
INSERT INTO wf_wait (instance_id, number, kind, template_id, key_hash, signal, criteria, "where", name, due_at, held,
                     since_at, since_signal, function, line, created_at)
SELECT instance_id, number + 1, kind, template_id, key_hash, signal, criteria, "where", name, due_at, held,
       now(), since_signal, function, line, now()
FROM gone
"""
CONSUME = """
UPDATE wf_delivery SET state = 'consumed', seq = given.seq
FROM unnest(%s::bigint[], %s::integer[]) AS given (id, seq) WHERE wf_delivery.id = given.id
"""


class Script:
    """Reads the waits of the instances once; `run` then drives them with signals, one each in turn."""

    def __init__(self, url: str) -> None:
        self.connection = psycopg.connect(url)
        query = "SELECT instance_id, template_id, key_hash, criteria FROM wf_wait ORDER BY instance_id"
        self.waits = self.connection.execute(query).fetchall()
        found = self.connection.execute("SELECT tenant_id, service_id FROM wf_signal LIMIT 1").fetchone()
        assert found is not None
        self.tenant, self.service = found
        self.connection.commit()

    def run(self, count: int) -> float:
        """Signals a second."""
        began = time.perf_counter()
        for start in range(0, count, BATCH):
            waits = [self.waits[place % len(self.waits)] for place in range(start, min(count, start + BATCH))]
            self.resume(self.match(self.ingest(start, waits), waits))
        return count / (time.perf_counter() - began)

    def ingest(self, start: int, waits: Sequence[tuple[Any, ...]]) -> list[int]:
        moment = datetime.now(UTC)  # noqa: TID251 - a bare script has no other clock
        with self.connection.transaction(), self.connection.cursor() as cursor:
            ids = [row[0] for row in cursor.execute(TAKE_IDS, [len(waits)]).fetchall()]
            with cursor.copy(
                "COPY wf_signal (id, tenant_id, service_id, uid, name, payload, received_at, correlation_id) FROM STDIN"
            ) as copy:
                for pk, wait in zip(ids, waits, strict=True):
                    payload = f'{{"meter":"{wait[0]}","amount":"1.25"}}'
                    copy.write_row((pk, self.tenant, self.service, f"bare-{pk}", "Reading", payload, moment, ""))
            with cursor.copy("COPY wf_signal_key (service_id, uid, digest, signal_id, received_at) FROM STDIN") as copy:
                for pk in ids:
                    digest = hashlib.blake2b(str(pk).encode(), digest_size=16).digest()
                    copy.write_row((self.service, f"bare-{pk}", digest, pk, moment))
        return ids

    def match(self, ids: list[int], waits: Sequence[tuple[Any, ...]]) -> list[int]:
        with self.connection.transaction():
            templates, hashes = [wait[1] for wait in waits], [wait[2] for wait in waits]
            pairs = self.connection.execute(MATCH, [ids, templates, hashes]).fetchall()
            self.connection.execute(GIVE, [[pair[0] for pair in pairs], [pair[1] for pair in pairs]])
            self.connection.execute("UPDATE wf_cursor SET position = %s", [ids[-1]])
        return [pair[1] for pair in pairs]

    def resume(self, instances: list[int]) -> None:
        with self.connection.transaction(), self.connection.cursor() as cursor:
            rows = cursor.execute(LOAD, [instances]).fetchall()
            saved, history = [], []
            for _, signal, instance, revision, snapshot, payload in rows:
                state = {"amount": msgspec.json.decode(payload)["amount"], "readings": revision}
                text = msgspec.json.encode(msgspec.json.decode(snapshot) | {"changed": state}).decode()
                saved.append((instance, revision + 1, text))
                detail = msgspec.json.encode({"signal": "Reading", "signal_id": signal}).decode()
                history.append((instance, revision + 1, detail, msgspec.json.encode(state).decode(), text))
            cursor.execute(SAVE, [list(column) for column in zip(*saved, strict=True)])
            assert cursor.rowcount == len(rows)
            cursor.execute(RENEW, [instances])
            moment = datetime.now(UTC)  # noqa: TID251 - a bare script has no other clock
            with cursor.copy(
                "COPY wf_history (instance_id, seq, kind, at, detail, state, snapshot) FROM STDIN"
            ) as copy:
                for instance, seq, detail, kept, text in history:
                    copy.write_row((instance, seq, "signal", moment, detail, kept, text))
            cursor.execute(CONSUME, [[row[0] for row in rows], [row[3] + 1 for row in rows]])

    def close(self) -> None:
        self.connection.close()
