"""Row sources, one format per file, and their selection by path."""

from pathlib import Path

from coterie.data.sources.base import RowSource
from coterie.data.sources.folder import FolderSource
from coterie.data.sources.huggingface import load_from_disk, load_from_hub
from coterie.data.sources.jsonl import JsonlSource
from coterie.data.sources.parquet import ParquetSource


def open_rows(path: str | Path, *, split: str) -> RowSource:
    """Open the row source at `path`.

    Args:
        path: a .jsonl or .parquet file; a folder that `datasets.Dataset.save_to_disk` wrote; a
            folder of images or audio; or "hf:owner/name[:config][#split]" on the hub.
        split: the split to load if the data set has several and the path names none.

    Raises ValueError if nothing exists there or the format is not supported.
    """
    if str(path).startswith("hf:"):
        return load_from_hub(str(path), split=split)
    path = Path(path)
    if not path.exists():
        raise ValueError(f"{path}: there is no such file or folder")
    if path.is_dir():
        if any((path / name).exists() for name in ("dataset_info.json", "dataset_dict.json")):
            return load_from_disk(path, split=split)
        return FolderSource(path)
    kinds = {".jsonl": JsonlSource, ".ndjson": JsonlSource, ".parquet": ParquetSource}
    if path.suffix in kinds:
        return kinds[path.suffix](path)
    if path.suffix == ".json":
        raise ValueError(
            f"{path} is JSON: write one object a line, as `jq -c '.[]' {path.name} > "
            f"{path.stem}.jsonl` does for a list"
        )
    raise ValueError(
        f"{path}: give a .jsonl or .parquet file, a folder of pictures or sounds, a data set saved "
        "by the datasets library, or a hub id such as hf:owner/name"
    )
