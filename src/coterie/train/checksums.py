"""Checksums of files: whether a checkpoint, an adapter or a JSON file is as it was written."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coterie.data.file_digest import compute_sha256

CHECKSUMS_FILE = "checksums.json"
SEAL = "sha256"
"""The key of a JSON object's own checksum."""


def write_checksums(folder: Path) -> None:
    """Write the SHA-256 of every file in a folder, but texts for people, to a file in it."""
    files = [each for each in sorted(folder.iterdir()) if each.is_file()]
    sums = {each.name: compute_sha256(each) for each in files if each.suffix != ".md"}
    (folder / CHECKSUMS_FILE).write_text(seal(sums), encoding="utf-8")


def find_damage(folder: Path) -> str:
    """Return what is wrong with a folder of `write_checksums`; empty if nothing is."""
    try:
        sums = unseal((folder / CHECKSUMS_FILE).read_bytes())
    except OSError:
        return f"{CHECKSUMS_FILE} is missing"
    except ValueError as error:
        return f"{CHECKSUMS_FILE} {error}"
    for name, expected in sums.items():
        try:
            found = compute_sha256(folder / name)
        except OSError as error:
            return f"{name} is missing" if not (folder / name).exists() else f"{name}: {error}"
        if found != expected:
            return f"{name} is not as it was written"
    return ""


def check_undamaged(folder: Path, remedy: str) -> None:
    """Raise ValueError, with a remedy, for a folder that is not as `write_checksums` found it.

    One without checksums, which users may make of any adapter, passes.
    """
    if (folder / CHECKSUMS_FILE).is_file() and (damage := find_damage(folder)):
        raise ValueError(
            f"{folder} was changed or damaged since training: {damage}. Restore it; {remedy}; or, "
            f"if the change was meant, remove {CHECKSUMS_FILE} from it"
        )


def seal(data: Mapping[str, Any]) -> str:
    """Return a JSON object with a checksum of itself."""
    return json.dumps({**data, SEAL: _compute_seal(data)}, indent=1) + "\n"


def unseal(content: bytes) -> dict[str, Any]:
    """Return what `seal` was given. Raises ValueError if it was changed since."""
    try:
        data = json.loads(content)
        given = data.pop(SEAL)
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError):
        raise ValueError("is damaged") from None
    if given != _compute_seal(data):
        raise ValueError("is damaged: its checksum differs")
    return data


def _compute_seal(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
