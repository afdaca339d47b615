"""Where `coterie fetch` puts models and data, for the entry points by which coterie finds them."""

from pathlib import Path

from coterie.paths import ENVIRONMENT_VARIABLE, get_cache_dir

MODEL = "model.safetensors"
CONNECTORS = Path(__file__).with_name("data") / "connectors.safetensors"
"""Trained connectors of the omni model, which `experiments.align` writes."""
SOUND_ENCODER = CONNECTORS.with_name("sound-encoder.safetensors")
"""The network for sounds, which `coterie_demo.train_sound_encoder` trains."""


def find_omni_model() -> Path:
    """The folder of the omni model. Raises ValueError if it was not fetched."""
    return _require(get_cache_dir() / "omni", "config.json", 'base="embedded": no model', "omni")


def find_vision_model() -> Path:
    """The folder of the vision backbone. Raises ValueError if it was not fetched."""
    folder = get_cache_dir() / "weights" / "vision"
    return _require(folder, MODEL, 'base="embedded": no vision model', "weights")


def find_pantry() -> Path:
    """The tasks.yaml file of the pantry. Raises ValueError if it was not fetched."""
    folder = get_cache_dir() / "pantry"
    return _require(folder, "tasks.yaml", "the pantry is not fetched: no tasks", "pantry") / (
        "tasks.yaml"
    )


def _require(folder: Path, file: str, problem: str, part: str) -> Path:
    if not (folder / file).is_file():
        raise ValueError(
            f"{problem} in {folder}: run `coterie fetch {part}`, or set {ENVIRONMENT_VARIABLE} to "
            "the folder where they were fetched"
        )
    return folder
