"""What predictions were made of, so that they are made again only when that has changed."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coterie.data.sample import TextSample
from coterie.io import read_json, write_json
from coterie.train.config import RunConfig

PredictionKey = dict[str, Any]


def compute_adapter_digest(folder: Path) -> str:
    """sha256 of an adapter's files. Raises ValueError if there is none."""
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


def compute_samples_digest(samples: Sequence[TextSample]) -> str:
    """sha256 of what is asked and wanted, media included."""
    digest = hashlib.sha256()
    for sample in samples:
        turns = [
            [
                turn.role,
                [part if isinstance(part, str) else part.compute_digest() for part in turn.parts],
            ]
            for turn in sample.messages
        ]
        digest.update(json.dumps([sample.source, turns, list(sample.answers)]).encode())
    return digest.hexdigest()


def make_prediction_key(
    config: RunConfig, samples: Sequence[TextSample], *, adapter: str | None, max_new_tokens: int
) -> PredictionKey:
    """All that a task's predictions depend on but the program.

    Args:
        plan: of the run.
        samples: in their order.
        adapter: digest of its files; None for the model before training.
        max_new_tokens: of the task.
    """
    return {
        "adapter": adapter,
        "base": config.base,
        "precision": config.precision,
        "samples": compute_samples_digest(samples),
        "max_new_tokens": max_new_tokens,
    }


def load_if_fresh(path: Path, wanted: PredictionKey) -> dict[str, Any] | None:
    """What `keep` wrote beside `wanted`, or None if that is not there or was made of else."""
    if not path.is_file():
        return None
    data = read_json(path)
    return data if isinstance(data, dict) and data.get("made_of") == wanted else None


def store(path: Path, wanted: PredictionKey, **facts: Any) -> dict[str, Any]:
    """Writes facts and what they were made of to a file, and returns them."""
    data = {"made_of": wanted, **facts}
    write_json(path, data)
    return data
