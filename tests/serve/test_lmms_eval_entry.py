"""pyproject.toml names a function that lmms-eval can call."""

import tomllib
from importlib import import_module
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2] / "pyproject.toml"


def test_the_entry_point_describes_the_model() -> None:
    entries = tomllib.loads(PROJECT.read_text())["project"]["entry-points"]
    module, _, function = entries["lmms_eval.models"]["coterie"].partition(":")
    make = getattr(import_module(module), function)
    models = pytest.importorskip("lmms_eval.models")
    models.MODEL_REGISTRY_V2.register_manifest(make(), overwrite=True)
    found = models.get_model("coterie")
    assert found.__name__ == "LmmsModel" and models.get_model("coterie", force_simple=True) is found
