"""Migration steps that only PostgreSQL has."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.operations import RunSQL

#: For tables whose rows change every turn: room for updates in place, and vacuum long before bloat shows.
HOT_TABLE = (
    "ALTER TABLE {table} SET (fillfactor = {fillfactor}, autovacuum_vacuum_scale_factor = 0.01, "
    "autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02)"
)


class PostgresOnly(RunSQL):
    """Runs its SQL on PostgreSQL and does nothing elsewhere."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_forwards(app_label, schema_editor, from_state, to_state)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor == "postgresql":
            super().database_backwards(app_label, schema_editor, from_state, to_state)


def hot_table(table: str, fillfactor: int = 85) -> PostgresOnly:
    return PostgresOnly(HOT_TABLE.format(table=table, fillfactor=fillfactor), reverse_sql=RunSQL.noop)
