"""The buildings of Taskonomy's splits."""

import csv
from collections.abc import Collection
from pathlib import Path

BROKEN_BUILDINGS = tuple(
    (
        "woodbine wiconisco brinnon cauthron cochranton donaldson german castor tokeland andover "
        "rogue athens broseley tilghmanton winooski rosser arkansaw bonnie willow timberon bohemia "
        "micanopy thrall annona byers anaheim duarte wyldwood"
    ).split()
)
"""Buildings that the released code of Mod-Squad removes from the medium split.

It states that woodbine is missing and wiconisco lacks 80 images of edge_texture; for the
others it gives no reason.
"""
COLUMNS = {"train": ("train",), "validation": ("val",), "test": ("test",)}
"""Split -> the columns that are 1 for its buildings."""


def list_buildings(
    file: Path, split: str, *, broken: Collection[str], train_on_val: bool
) -> tuple[str, ...]:
    """List the buildings of a split, in the order of its CSV.

    Args:
        file: CSV with 0/1 columns train, val and test; the first column names the building.
        split: "train", "validation" or "test".
        broken: buildings to skip.
        train_on_val: train on the validation buildings, too; then there is no validation split.

    Raises ValueError if there is no such split, file, column or building.
    """
    columns = dict(COLUMNS)
    if train_on_val:
        columns = {"train": ("train", "val"), "test": ("test",)}
    if split not in columns:
        raise ValueError(
            f"Taskonomy(train_on_val={train_on_val}) has no split {split!r}: ask for "
            f"{' or '.join(columns)}, or give train_on_val=False for validation"
        )
    rows, header = read(file)
    wanted = [header.index(column) for column in columns[split]]
    named = [row[0] for row in rows if any(row[column].strip() == "1" for column in wanted)]
    found = tuple(name for name in named if name not in broken)
    if not found:
        left_out = f"; {len(named)} are left out by `broken`" if named else ""
        raise ValueError(f"{file} names no building for {split}{left_out}: give another file")
    return found


def read(file: Path) -> tuple[list[list[str]], list[str]]:
    """Read the rows and the header of a split's CSV."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            header, *rows = [row for row in csv.reader(lines) if row] or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(
            f"{file} cannot be read ({error}): unpack splits_taskonomy.zip of "
            "https://github.com/StanfordVL/taskonomy there, or give `splits`"
        ) from None
    header = [name.strip() for name in header]
    missing = {"train", "val", "test"} - set(header)
    if missing:
        raise ValueError(
            f"{file} has no column {', '.join(sorted(missing))}, but "
            f"{', '.join(header) or 'nothing'}: id, train, val and test are needed"
        )
    short = [row for row in rows if len(row) != len(header)]
    if short:
        raise ValueError(f"{file} has a row {short[0]}: one value for each of {header} is needed")
    return rows, header
