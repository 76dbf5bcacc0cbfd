from __future__ import annotations

from django.db import migrations

from apps.lib.postgres import hot_table
from apps.signals.querysets import LOG


def begin_the_log(apps, schema_editor):  # type: ignore[no-untyped-def]
    apps.get_model("wf_signals", "Cursor").objects.get_or_create(name=LOG)


class Migration(migrations.Migration):
    dependencies = [("wf_signals", "0001_initial")]

    operations = [
        hot_table("wf_delivery"),
        hot_table("wf_cursor", fillfactor=20),
        migrations.RunPython(begin_the_log, migrations.RunPython.noop),
    ]
