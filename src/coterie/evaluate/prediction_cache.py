"""Keys of cached predictions, which are computed again only when their key has changed."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.io import read_json, write_json
from coterie.train.config import RunConfig

PredictionKey = dict[str, Any]
KEY = "key"


def compute_adapter_digest(folder: Path) -> str:
    """Compute the sha256 of an adapter's files. Raises ValueError if there is none."""
    files = sorted(each for each in folder.glob("adapter_*") if each.is_file())
    if not files:
        raise ValueError(
            f"{folder.parent} has no trained adapter in {folder.name}/: train it first, or go on "
            f"with `coterie train {folder.parent} --resume`"
        )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


def make_prediction_key(
    config: RunConfig, of_tasks: Mapping[str, Any], *, adapter: str | None
) -> PredictionKey:
    """Return all that a task's predictions depend on except the program.

    Args:
        config: of the run.
        of_tasks: what `TaskSet.make_prediction_key` returned.
        adapter: digest of its files; None for the model before training.
    """
    key = {"adapter": adapter, "base": config.base, "precision": config.precision}
    # Without an adapter, newly initialised weights of the base model depend on the seed.
    return key | ({"seed": config.seed} if adapter is None else {}) | dict(of_tasks)


def load_if_fresh(path: Path, key: PredictionKey) -> dict[str, Any] | None:
    """Return what `store` wrote with an equal key, or None."""
    if not path.is_file():
        return None
    data = read_json(path)
    return data if isinstance(data, dict) and data.get(KEY) == key else None


def store(path: Path, key: PredictionKey, **facts: Any) -> dict[str, Any]:
    """Write facts with the key that they depend on to a file, and return them."""
    data = {KEY: key, **facts}
    write_json(path, data)
    return data
