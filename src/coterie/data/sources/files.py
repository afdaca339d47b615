"""Files of rows: their kind by the end of their name, unpacked where they are compressed."""

from functools import cache
from pathlib import Path

from coterie.data import sources
from coterie.data.sources.base import FileSource
from coterie.data.sources.compressed import OPENERS, unpack
from coterie.data.sources.file_state import read_state
from coterie.serialization import find_kinds

MAGIC = {b"\x1f\x8b": ".gz", b"BZh91AY": ".bz2", b"\xfd7zXZ\0": ".xz", b"\x28\xb5\x2f\xfd": ".zst",
         b"PK\x03\x04": ".zip", b"PAR1\x15": ".parquet"}  # fmt: skip
"""How files begin that are no text -> the ending that such a file should have."""
LFS_POINTER = b"version https://git-lfs"
"""How a file begins whose content Git LFS has not fetched."""


@cache
def find_file_kinds() -> dict[str, type[FileSource]]:
    """Return ending -> kind of the files that the modules of this folder read."""
    kinds = find_kinds(sources, FileSource)
    return {suffix: kind for kind in kinds for suffix in kind.suffixes}


def find_kind(path: Path) -> type[FileSource] | None:
    """Return the kind of a file by its ending, without that of a compression."""
    name = path.name.lower()
    packed = next((end for end in OPENERS if name.endswith(end)), "")
    return find_file_kinds().get(Path(name.removesuffix(packed)).suffix)


def open_file(path: Path, *, split: str) -> FileSource:
    """Open a file of rows. Raises ValueError if it is damaged, or of no known kind."""
    read_state(path)  # refuses pipes and devices
    kind = find_kind(path)
    if kind is None:
        raise ValueError(
            f"{path}: give a file that ends in {', '.join(find_file_kinds())}, or in these and "
            f"{', '.join(OPENERS)}; a folder of pictures or sounds; a data set saved by the "
            "datasets library; or a hub id such as hf:owner/name"
        )
    try:
        with path.open("rb") as file:
            head = file.read(len(LFS_POINTER))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if head == LFS_POINTER:
        raise ValueError(f"{path} is a pointer of Git LFS, not the file: run `git lfs pull` there")
    is_packed = path.name.lower().endswith(tuple(OPENERS))
    ending = next((end for magic, end in MAGIC.items() if head.startswith(magic)), None)
    if ending is not None and not is_packed and find_kind(Path(f"a{ending}")) is not kind:
        advice = "unpack it" if ending == ".zip" else f"rename it to end in {ending}"
        raise ValueError(f"{path} is a {ending} file by its first bytes: {advice}")
    return kind(path, unpacked=unpack(path) if is_packed else None, split=split)
