"""Names of splits: train, validation and test, and the other names that these have."""

import re
from collections.abc import Iterable
from pathlib import PurePath

ALIASES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "development": "validation", "validate": "validation",
    "test": "test", "testing": "test", "eval": "test", "evaluation": "test"
}  # fmt: skip
"""Name -> split. They are those of the datasets library, which takes eval as test, too."""
FURTHER = re.compile(r"(test|eval)[_-][\w-]+")
"""Further splits, as test_hard, which `evaluate` may be asked for."""


class MissingSplitError(ValueError):
    """Error of a data set that has splits of its own, and not the one that is read."""


def get_split_name(name: str) -> str:
    """Return the split that a name stands for: "validation" for "val"; others as they are."""
    return ALIASES.get(name.lower(), name)


def check_split_name(name: str) -> str:
    """Return the split that a name in tasks.yaml stands for. ValueError if it is none."""
    split = get_split_name(name)
    if split not in ALIASES and split != "all" and not FURTHER.fullmatch(split):
        raise ValueError(
            f"{name!r} is no split: give train, validation (val, valid or dev) and test, or "
            "test_ and a word for further ones"
        )
    return split


def find_split(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that is, or stands for, a split; None if there is none.

    Raises ValueError if several stand for it.
    """
    found = list(names)
    if name in found:
        return name
    alike = [each for each in found if get_split_name(each) == get_split_name(name)]
    if len(alike) > 1:
        raise ValueError(f"{' and '.join(alike)} are all names of the split {name}: leave one")
    return alike[0] if alike else None


def find_split_in_path(path: PurePath) -> str | None:
    """Return the split that a file's name, or its folder's, tells: of "data/train-00000-of-2.x".

    A name is a word of the path between other characters than letters and digits.
    """
    for part in (path.name.partition(".")[0], *reversed(path.parent.parts)):
        words = re.split(r"[^a-z0-9]+", part.lower())
        if found := next((ALIASES[word] for word in words if word in ALIASES), None):
            return found
    return None
