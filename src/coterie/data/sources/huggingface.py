"""Rows of data sets of the datasets library, on disk or on the Hugging Face hub."""

import re
from pathlib import Path
from typing import Any

from coterie.data.sources.base import RowSource, get_first_line
from coterie.data.sources.class_labels import find_label_features, name_labels
from coterie.data.sources.parquet import read_row
from coterie.data.splits import MissingSplitError, find_split
from coterie.optional_imports import import_optional

HUB_ID = re.compile(r"hf:(?P<id>[\w.-]+(/[\w.-]+)?)(:(?P<config>[^:#]+))?(#(?P<split>.+))?")


class DatasetSource(RowSource):
    """Rows of a memory-mapped `datasets.Dataset`; media are not decoded, class labels are names."""

    def __init__(self, dataset: Any, *, called: str, folder: Path, is_split: bool = False) -> None:
        self.dataset = dataset.with_format("arrow")  # decodes nothing
        self.labels = find_label_features(dataset.features.to_dict())
        self.name, self.folder, self.is_split = called, folder, is_split

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict[str, Any]:
        row = read_row(self.dataset[index])
        return {name: name_labels(value, self.labels.get(name), name)
                for name, value in row.items()}  # fmt: skip


def load_from_disk(path: Path, *, split: str) -> DatasetSource:
    """Load what `save_to_disk` wrote. Raises ValueError if damaged or without such a split."""
    datasets = import_optional("datasets", "data")
    try:
        found = datasets.load_from_disk(str(path))
    except Exception as error:  # whatever Arrow or JSON meets in a damaged file
        raise ValueError(f"{path} is no data set that can be read: {error}") from None
    return select_split(found, split, called=path.name, folder=path)


def load_from_hub(name: str, *, split: str) -> DatasetSource:
    """Load a data set of the Hugging Face hub, downloaded once by the datasets library.

    `split` is loaded if the name has none, which may be any that `datasets.load_dataset` accepts,
    such as "#train[:10%]". Raises ValueError if it cannot be loaded or has no such split.
    """
    match = HUB_ID.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r}: give hf:owner/name, hf:owner/name:config or ...#split")
    datasets = import_optional("datasets", "data")
    try:
        found = datasets.load_dataset(match["id"], match["config"], split=match["split"])
    except Exception as error:  # of the network, the hub, a file or a wrong name
        raise ValueError(
            f"{name} cannot be loaded: {type(error).__name__}: {get_first_line(error)}; see that "
            "the name is right and this machine online, or give a local file or folder"
        ) from None
    return select_split(found, split, called=match["id"], folder=Path.cwd())


def select_split(found: Any, split: str, *, called: str, folder: Path) -> DatasetSource:
    """Select a split of a data set or of a dict of data sets."""
    if not isinstance(found, dict):
        return DatasetSource(found, called=called, folder=folder)
    name = find_split(split, found)
    if name is None:
        raise MissingSplitError(
            f"{called} has no split {split!r}: it has {', '.join(found)}. Name others in "
            "tasks.yaml, such as "
            "rows: {train: 'hf:owner/name#train[:90%]', validation: 'hf:owner/name#train[90%:]'}"
        )
    return DatasetSource(found[name], called=f"{called}/{name}", folder=folder, is_split=True)
