"""Many rows in one statement, without an object for each.

`insert` copies, `update` writes from arrays on PostgreSQL; elsewhere the same rows go through `executemany`. Values
are plain: text, numbers, booleans, bytes, aware datetimes, UUIDs, None. A `JsonTextField` gets encoded text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection, models

Row = Sequence[Any]


class Result(NamedTuple):
    """What a statement gave: its rows, if it has any, and how many rows it concerned."""

    rows: list[tuple[Any, ...]]
    changed: int


def execute(sql: str, values: Any) -> Result:
    """Run one statement on PostgreSQL with parameters and rows in binary form; placeholders are `%b`.

    Django's own cursor writes parameters into the text of the statement: an array of snapshots costs more to quote
    there than to store, and each time that comes back is parsed from text.
    """
    connection.ensure_connection()
    raw: Any = psycopg.Cursor(connection.connection)
    raw.format = psycopg.pq.Format.BINARY
    wrapped = connection.make_debug_cursor(raw) if connection.queries_logged else connection.make_cursor(raw)
    with wrapped as cursor:
        cursor.execute(sql, values)
        return Result(list(cursor.fetchall()) if raw.description else [], int(cursor.rowcount))


def is_postgres() -> bool:
    return connection.vendor == "postgresql"


def allocate(model: type[models.Model], count: int) -> list[int]:
    """`count` new primary keys, ascending, that nobody else gets.

    On SQLite they are nobody else's while the transaction is open, because it excludes every other writer.
    """
    table = model._meta.db_table
    with connection.cursor() as cursor:
        if is_postgres():
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, count]
            )
            return sorted(row[0] for row in cursor.fetchall())
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        row = cursor.fetchone()
        first = (row[0] if row else 0) + 1
        return list(range(first, first + count))


def insert(model: type[models.Model], names: Sequence[str], rows: Iterable[Row], conflict: str = "") -> None:
    """Insert the rows; `names` are the columns, all that have no default in the database.

    `conflict` is an ON CONFLICT clause. COPY knows none, so on PostgreSQL such rows come from arrays.
    """
    rows = list(rows)
    if not rows:
        return
    table = quote(model._meta.db_table)
    columns = ", ".join(quote(name) for name in names)
    with connection.cursor() as cursor:
        if not is_postgres():
            marks = ", ".join(["%s"] * len(names))
            values = [[plain(value) for value in row] for row in rows]
            cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks}) {conflict}", values)  # noqa: S608 - names of columns
        elif conflict:
            arrays, values = as_arrays(model, names, rows)
            execute(f"INSERT INTO {table} ({columns}) SELECT * FROM unnest({arrays}) {conflict}", values)  # noqa: S608 - names of columns
        else:
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


def update(model: type[models.Model], keys: Sequence[str], names: Sequence[str], rows: Iterable[Row]) -> int:
    """Set the columns `names` where the columns `keys` are equal; each row has the keys first. How many rows changed.

    A column may be both: what it was, and what it becomes.
    """
    rows = list(rows)
    if not rows:
        return 0
    table = quote(model._meta.db_table)
    with connection.cursor() as cursor:
        if is_postgres():
            arrays, values = as_arrays(model, [*keys, *names], rows)
            olds, news = [f"k{place}" for place in range(len(keys))], [f"v{place}" for place in range(len(names))]
            assigned = ", ".join(f"{quote(name)} = u.{new}" for name, new in zip(names, news, strict=True))
            demanded = " AND ".join(f"t.{quote(name)} = u.{old}" for name, old in zip(keys, olds, strict=True))
            given = ", ".join([*olds, *news])
            sql = f"UPDATE {table} t SET {assigned} FROM unnest({arrays}) AS u ({given}) WHERE {demanded}"  # noqa: S608 - names of columns
            return execute(sql, values).changed
        assigned = ", ".join(f"{quote(name)} = %s" for name in names)
        demanded = " AND ".join(f"{quote(name)} = %s" for name in keys)
        values = [[plain(value) for value in (*row[len(keys) :], *row[: len(keys)])] for row in rows]
        cursor.executemany(f"UPDATE {table} SET {assigned} WHERE {demanded}", values)  # noqa: S608 - names of columns
        return int(cursor.rowcount)


def as_arrays(model: type[models.Model], names: Sequence[str], rows: Sequence[Row]) -> tuple[str, list[list[Any]]]:
    """A parameter for each column, cast to an array of its type, and the values turned from rows to columns."""
    arrays = ", ".join(f"%b::{column_type(model, name)}[]" for name in names)
    return arrays, [list(values) for values in zip(*rows, strict=True)]


@cache
def column_type(model: type[models.Model], column: str) -> str:
    field = next(each for each in model._meta.concrete_fields if each.column == column)
    target = field.target_field if isinstance(field, models.ForeignKey) else field
    return str(target.rel_db_type(connection) if isinstance(target, models.AutoField) else target.db_type(connection))


def quote(name: str) -> str:
    return connection.ops.quote_name(name)


def plain(value: Any) -> Any:
    """The value as SQLite's driver takes it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, UUID):
        return value.hex
    return value
