"""The tables keep the layers of the code: a foreign key written as a string escapes the import contracts."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.db.models import ForeignObjectRel, Model

ROOT = Path(__file__).parents[2]


def ranks() -> dict[str, int]:
    """app → its height; siblings are equally high."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["id"] == "layers")
    return {app.strip(): -height for height, layer in enumerate(layers) for app in layer.split("|")}


def references() -> Iterator[tuple[type[Model], type[Model]]]:
    for model in apps.get_models():
        for field in model._meta.get_fields():
            if field.is_relation and not isinstance(field, ForeignObjectRel) and isinstance(field.related_model, type):
                yield model, field.related_model


def app_of(model: type[Model]) -> str:
    return apps.get_app_config(model._meta.app_label).name


def test_every_installed_app_of_ours_has_a_layer() -> None:
    ours = {config.name for config in apps.get_app_configs() if config.name.startswith("apps.")}
    assert ours == set(ranks()) - {"apps.lib"}


def test_no_table_refers_to_one_of_a_higher_or_equal_layer() -> None:
    rank = ranks()
    between = [(app_of(model), app_of(other), model.__name__, other.__name__) for model, other in references()]
    wrong = [
        f"{model} ({low}) refers to {other} ({high})"
        for low, high, model, other in between
        if low in rank and high in rank and low != high and rank[high] >= rank[low]
    ]
    assert wrong == []
