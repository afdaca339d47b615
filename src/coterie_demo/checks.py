"""Lines of `coterie doctor` on what `coterie fetch` built, and the package clients it needs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from coterie.cli.checks import GIB, Check
from coterie.paths import get_cache_dir

# Part of `coterie fetch` -> files that exist once it is complete.
DOWNLOADS = {
    "weights": (
        "weights/llm",
        "weights/vision",
        "weights/audio",
        "weights/efficientnet",
        "weights/sound",
    ),
    "omni": ("omni/config.json",),
    "pantry": ("pantry/tasks.yaml",),
}
CLIENTS = {
    "npm": "the pantry's food photos and drawings",
    "apt-get": "the pantry's recorded words, instruments, drums and animals",
}


def check_downloads() -> Iterator[Check]:
    """A check of each part that can be fetched, and of each package client."""
    folder = get_cache_dir()
    for part, files in DOWNLOADS.items():
        missing = [name for name in files if not (folder / name).exists()]
        if missing:
            said = f"not fetched: {', '.join(missing)} missing"
            yield Check(subject=part, status="off", details=said, advice=f"coterie fetch {part}")
        else:
            lacks = describe_partial_pantry(folder / part) if part == "pantry" else ""
            said = f"fetched{lacks}, {format_folder_size(folder / part)}"
            advice = f"coterie fetch {part}" if lacks else ""
            yield Check(subject=part, status="ok", details=said, advice=advice)
    yield check_scenes(folder / "scenes")
    for client, use in CLIENTS.items():
        path = shutil.which(client)
        if path is None:
            said = f"not installed; {use} are left out"
            yield Check(subject=client, status="off", details=said, advice=f"install {client}")
        else:
            yield Check(subject=client, status="ok", details=f"{path}, for {use}")


def describe_partial_pantry(folder: Path) -> str:
    """How many of the pantry's tasks a folder has; empty if it has all."""
    from coterie_demo.pantry.contents import list_tasks, read_splits, select_splits

    try:
        splits = read_splits(folder)
    except ValueError:
        return ", but damaged"
    return "" if splits == select_splits(None) else f", {len(splits)} of {len(list_tasks())} tasks"


def check_scenes(folder: Path) -> Check:
    """Whether all scenes are rendered that scenes.json, which is written first, lists."""
    manifest, rendered = folder / "scenes.json", len([*folder.glob("*/*.npz")])
    said, advice = "not rendered; only dense tasks need them", "coterie fetch scenes"
    try:
        counts = json.loads(manifest.read_text(encoding="utf-8")) if manifest.is_file() else {}
        wanted = sum(counts[split] for split in ("train", "validation", "test")) if counts else 0
    except (ValueError, KeyError, TypeError) as error:
        said, advice = (
            f"{manifest} is damaged ({error!r})",
            f"remove {folder}; coterie fetch scenes",
        )
        return Check(subject="scenes", status="off", details=said, advice=advice)
    if counts and rendered >= wanted:
        return Check(
            subject="scenes", status="ok", details=f"rendered, {format_folder_size(folder)}"
        )
    said = f"{rendered} of {wanted} rendered" if counts else said
    return Check(subject="scenes", status="off", details=said, advice=advice)


def format_folder_size(folder: Path) -> str:
    """Number of files in a folder and their size."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return f"{len(files)} files, {sum(path.stat().st_size for path in files) / GIB:.2f} GiB"
