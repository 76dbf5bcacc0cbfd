from __future__ import annotations

from typing import Any

from django.db import migrations


def fill(apps: Any, schema_editor: Any) -> None:
    apps.get_model("wf_accounts", "Tenant").objects.get_or_create(slug="default", defaults={"name": "Default"})
    for role in ("viewer", "operator"):
        apps.get_model("auth", "Group").objects.get_or_create(name=role)


class Migration(migrations.Migration):
    dependencies = (
        ("wf_accounts", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
    )

    operations = (migrations.RunPython(fill, migrations.RunPython.noop),)
