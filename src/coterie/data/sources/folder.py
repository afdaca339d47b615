"""Rows of a folder of media files, labelled by subfolder or by a metadata file."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from coterie.data.dataset import RowError
from coterie.data.sources.base import FileSource, RowSource
from coterie.modalities.base import find_media_modalities

METADATA = "metadata"
"""The name, before its ending, of the file with the rows of a folder."""
FILE_COLUMN = "file_name"
"""Its column with the media file; `image_file_name` is that of the column `image`."""


class FolderSource(RowSource):
    """FOLDER/LABEL/FILE gives {"image" or "audio": FILE, "answer": LABEL, "label": LABEL}.

    With `metadata`, a file of the folder, as in Hugging Face's ImageFolder and AudioFolder, the
    rows are its lines, each with the media file under "file_name". If there is one column more, it
    is the answer. Hidden files are skipped.
    """

    def __init__(self, path: Path, metadata: FileSource | None = None) -> None:
        self.name, self.folder, self.metadata = path.name, path, metadata
        self.files = list_labelled_files(path) if metadata is None else []

    def __len__(self) -> int:
        return len(self.files if self.metadata is None else self.metadata)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if self.metadata is None:
            file = self.files[index]
            label = file.partition("/")[0]
            return {get_media_kind(file, "row"): file, "label": label, "answer": label}
        row = self.metadata[index]
        found = dict(find_files(row))
        if not found:
            raise RowError(
                FILE_COLUMN,
                f"is {row.get(FILE_COLUMN)!r}: {self.metadata.name} names the file of each row",
            )
        others = [name for name in row if not is_file_column(name)]
        only = {"answer": row[others[0]]} if len(others) == 1 else {}
        return {**found, **only, **row}

    def list_repeated_columns(self, row: Mapping[str, Any]) -> Sequence[str]:
        if self.metadata is None:
            return ("label", "answer")
        files = [name for name in row if is_file_column(name)]
        read = {*files, *find_media_modalities(), "answer"}
        others = [name for name in row if name not in read]
        return [*files, "answer", *others] if len(others) == 1 else files

    def describe_row(self, index: int) -> str:
        if self.metadata is None:
            return f"{self.name}/{self.files[index]}"
        return f"{self.name}/{self.metadata.describe_row(index)}"


def find_files(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield column -> file or files, of the columns that name some."""
    for column, value in row.items():
        if not is_file_column(column) or not value:
            continue
        prefix = column.removesuffix("s").removesuffix(FILE_COLUMN).rstrip("_")
        first = value[0] if isinstance(value, list) else value
        if not isinstance(first, str):
            raise RowError(column, f"is {value!r}: give the name of a file")
        yield prefix or get_media_kind(first, column), value


def is_file_column(column: str) -> bool:
    """Return whether a column is file_name, file_names, image_file_name and so on."""
    return column.removesuffix("s").endswith(FILE_COLUMN)


def get_media_kind(file: str, field: str) -> str:
    """Return a file's modality from its suffix. Raises RowError if it is not supported."""
    suffix, kinds = Path(file).suffix.lower(), get_media_suffixes()
    if suffix not in kinds:
        known = ", ".join(kinds)
        raise RowError(field, f"{file!r} ends in {suffix or 'nothing'!r}: known are {known}")
    return kinds[suffix]


def get_media_suffixes() -> dict[str, str]:
    """Return suffix -> modality."""
    return {end: name for name, each in find_media_modalities().items() for end in each.suffixes}


def list_labelled_files(path: Path) -> list[str]:
    """List LABEL/FILE for every file in the subfolders, sorted by name."""
    labels = sorted(item.name for item in path.iterdir() if item.is_dir() and is_visible(item))
    if not labels:
        raise ValueError(
            f"{path} has no files of rows (.jsonl, .csv, .parquet and so on), no {METADATA}.jsonl, "
            f"{METADATA}.csv or {METADATA}.parquet, nor a subfolder for each label with files in it"
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
