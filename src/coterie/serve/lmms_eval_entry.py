"""The entry point by which lmms-eval finds coterie's model, `--model coterie`."""

from importlib import import_module
from typing import Any


def make_manifest() -> Any:
    """Return lmms-eval's description of the model, whose module is imported when it is used."""
    registry = import_module("lmms_eval.models.registry_v2")
    return registry.ModelManifest(
        model_id="coterie", simple_class_path=f"{__package__}.lmms_eval.LmmsModel"
    )
