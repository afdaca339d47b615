"""The files of a task's predictions: their rows, and the keys that tell whether they are fresh."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from coterie.data.file_digest import compute_sha256
from coterie.evaluate.estimates import SampleStatistics
from coterie.io import read_json, write, write_json
from coterie.tasks.predictions import Prediction
from coterie.tasks.task_set import TaskSet
from coterie.train.run_directory import RunDirectory

WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt", ".pth")
BLOCKS, BLOCK_BYTES = 256, 4096


def write_predictions(path: Path, rows: Sequence[Prediction], statistics: SampleStatistics) -> None:
    """Write the rows, with these statistics, as JSON lines."""
    # In ASCII, because some readers treat U+2028 as the end of a line.
    lines = [
        json.dumps(row | {"statistics": numbers}, allow_nan=False) + "\n"
        for row, numbers in zip(rows, statistics.tolist(), strict=True)
    ]
    write(path, "".join(lines))


def read_predictions(
    path: Path, fields: Sequence[str] = TaskSet.prediction_fields
) -> list[Prediction]:
    """Read a file whose rows have at least these fields.

    Raises ValueError if it is missing, damaged or empty, or rows differ in their number of
    statistics.
    """
    if not path.is_file():
        raise ValueError(f"{path} is not there: run `coterie evaluate` on its run again")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            _ = [row[field] for field in fields]
            row["statistics"] = [float(each) for each in row["statistics"]]
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(
                f"{path}:{number} is damaged ({error!r}): remove the file and evaluate again"
            ) from error
        rows.append(row)
    lengths = {len(row["statistics"]) for row in rows}
    if len(lengths) != 1:
        raise ValueError(
            f"{path} has rows of {sorted(lengths) or 'no'} statistics: remove it and evaluate again"
        )
    return rows


def compute_rows_digest(rows: Sequence[Prediction]) -> str:
    """Compute a digest of which samples the rows are of, in their order."""
    sources = [[row["source"], row.get("question"), row.get("answers")] for row in rows]
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def read_if_whole(path: Path, fields: Sequence[str], digest: str | None) -> list[Prediction]:
    """Read a file of predictions; none if it is damaged, or its rows were others when written.

    `digest` is that of the rows. A file that lost lines, or has some twice, scores other samples.
    """
    try:
        rows = read_predictions(path, fields)
    except ValueError:
        return []
    return rows if compute_rows_digest(rows) == digest else []


def compute_adapter_digest(folder: Path) -> str:
    """Compute the sha256 of an adapter's files. Raises ValueError if there is none."""
    files = sorted(each for each in folder.glob("adapter_*") if each.is_file())
    if not files:
        raise ValueError(
            f"{folder.parent} has no trained adapter in {folder.name}/: train it first, or "
            f"{RunDirectory(folder.parent).resumption}"
        )
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.name.encode() + bytes.fromhex(compute_sha256(file)))
    return digest.hexdigest()


def compute_weights_digest(base: str) -> str:
    """Compute a digest of the weights in a model's folder; "" for a base that is no folder.

    Of each file the size and 256 blocks, evenly spaced, are read: weights of another model or of
    further training differ in nearly all of them, and large models are not read as a whole.
    """
    folder = Path(base).expanduser()
    files = sorted(each for each in folder.glob("*") if each.suffix in WEIGHT_SUFFIXES)
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name} {size}".encode())
        with file.open("rb") as opened:
            for place in range(0, size, max(BLOCK_BYTES, size // BLOCKS)):
                opened.seek(place)
                digest.update(opened.read(BLOCK_BYTES))
    return digest.hexdigest() if files else ""


def load_if_fresh(path: Path, key: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what `store` wrote with an equal key, or None."""
    if not path.is_file():
        return None
    data = read_json(path)
    return data if isinstance(data, dict) and data.get("key") == key else None


def store(path: Path, key: Mapping[str, Any], **facts: Any) -> dict[str, Any]:
    """Write facts with the key that they depend on to a file, and return them."""
    data = {"key": key, **facts}
    write_json(path, data)
    return data
