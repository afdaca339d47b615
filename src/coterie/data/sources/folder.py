"""Rows of a folder of media files, labelled by subfolder or by metadata.jsonl."""

from pathlib import Path
from typing import Any

from coterie.data.dataset import RowError
from coterie.data.sources.base import RowSource
from coterie.data.sources.jsonl import JsonlSource
from coterie.modalities.base import find_media_modalities

METADATA = "metadata.jsonl"
SPLITS = {"train", "training", "validation", "valid", "val", "dev", "test", "eval"}


class FolderSource(RowSource):
    """FOLDER/LABEL/FILE gives {"image" or "audio": FILE, "answer": LABEL, "label": LABEL}.

    With FOLDER/metadata.jsonl, as in Hugging Face's ImageFolder and AudioFolder, the rows are its
    lines, each with the media file under "file_name". Hidden files are skipped.
    """

    def __init__(self, path: Path) -> None:
        self.name, self.folder = path.name, path
        self.metadata = JsonlSource(path / METADATA) if (path / METADATA).is_file() else None
        self.files = [] if self.metadata else list_labelled_files(path)

    def __len__(self) -> int:
        return len(self.metadata or self.files)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.metadata is None:
            file = self.files[index]
            label = file.partition("/")[0]
            return {get_media_kind(file, "row"): file, "label": label, "answer": label}
        row = self.metadata[index]
        file = row.get("file_name")
        if not isinstance(file, str):
            raise RowError("file_name", f"is {file!r}: {METADATA} names the file of each row in it")
        return {get_media_kind(file, "file_name"): file, **row}

    def describe_row(self, index: int) -> str:
        row = self.metadata.describe_row(index) if self.metadata else self.files[index]
        return f"{self.name}/{row}"


def get_media_kind(file: str, field: str) -> str:
    """Return a file's modality from its suffix. Raises RowError if it is not supported."""
    suffix = Path(file).suffix.lower()
    kinds = {end: name for name, each in find_media_modalities().items() for end in each.suffixes}
    if suffix not in kinds:
        known = ", ".join(kinds)
        raise RowError(field, f"{file!r} ends in {suffix or 'nothing'!r}: known are {known}")
    return kinds[suffix]


def list_labelled_files(path: Path) -> list[str]:
    """List LABEL/FILE for every file in the subfolders, sorted by name."""
    labels = sorted(item.name for item in path.iterdir() if item.is_dir() and is_visible(item))
    if not labels:
        raise ValueError(
            f"{path} has neither {METADATA} nor a subfolder for each label with files in it"
        )
    if set(labels) <= SPLITS:
        raise ValueError(
            f"{path} has the subfolders {', '.join(labels)}, which are splits, not labels: name "
            "them one by one, as in rows: {" + f"{labels[0]}: {path.name}/{labels[0]}" + "}"
        )
    return [
        file.relative_to(path).as_posix()
        for label in labels
        for file in sorted((path / label).rglob("*"))
        if file.is_file() and is_visible(file)
    ]


def is_visible(path: Path) -> bool:
    """Return whether a path is neither hidden nor a system file such as Thumbs.db."""
    return not path.name.startswith(".") and path.name not in ("Thumbs.db", "desktop.ini")
