from __future__ import annotations

from django.db import migrations

from apps.lib.postgres import hot_table


class Migration(migrations.Migration):
    dependencies = [("wf_instances", "0001_initial")]

    operations = [hot_table("wf_instance", fillfactor=70), hot_table("wf_claim", fillfactor=50)]
