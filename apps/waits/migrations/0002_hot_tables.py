from __future__ import annotations

from django.db import migrations

from apps.lib.postgres import hot_table


class Migration(migrations.Migration):
    dependencies = [("wf_waits", "0001_initial")]

    operations = [hot_table("wf_wait"), hot_table("wf_look_back", fillfactor=50)]
