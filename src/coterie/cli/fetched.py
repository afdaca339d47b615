"""What `coterie fetch` has brought to this machine, and which clients it can fetch with."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

from coterie.cli.finding import Finding
from coterie.cli.machine import GIB, disk_free
from coterie.embedded.home import home

# What is fetched -> a file that is there when it is whole.
PARTS = {
    "weights": ("weights/llm", "weights/vision", "weights/audio", "weights/efficientnet"),
    "omni": ("omni/config.json",),
    "pantry": ("pantry/tasks.yaml",),
}
CLIENTS = {
    "npm": "the pantry's food photos and drawings",
    "apt-get": "the pantry's spoken captions and recorded words",
}


def fetched() -> Iterator[Finding]:
    """A finding on each part that can be fetched, and on each client."""
    folder = home()
    said = f"{folder}, {disk_free(folder) / GIB:.1f} GiB free there"
    yield Finding(what="home", state="ok", said=said)
    for part, files in PARTS.items():
        missing = [name for name in files if not (folder / name).exists()]
        if missing:
            said = f"not fetched: {', '.join(missing)} missing"
            yield Finding(what=part, state="off", said=said, advice=f"coterie fetch {part}")
        else:
            yield Finding(what=part, state="ok", said=f"fetched, {size(folder / part)}")
    yield scenes(folder / "scenes")
    for client, use in CLIENTS.items():
        path = shutil.which(client)
        if path is None:
            said = f"not installed; {use} are left out"
            yield Finding(what=client, state="off", said=said, advice=f"install {client}")
        else:
            yield Finding(what=client, state="ok", said=f"{path}, for {use}")


def scenes(folder: Path) -> Finding:
    """Whether the rendered scenes are all there; scenes.json, which says how many, comes first."""
    card, there = folder / "scenes.json", len([*folder.glob("*/*.npz")])
    said, advice = "not rendered; only dense tasks need them", "coterie fetch scenes"
    try:
        counts = json.loads(card.read_text(encoding="utf-8")) if card.is_file() else {}
        wanted = sum(counts[split] for split in ("train", "validation", "test")) if counts else 0
    except (ValueError, KeyError, TypeError) as error:
        said, advice = f"{card} is damaged ({error!r})", f"remove {folder}; coterie fetch scenes"
        return Finding(what="scenes", state="off", said=said, advice=advice)
    if counts and there >= wanted:
        return Finding(what="scenes", state="ok", said=f"rendered, {size(folder)}")
    said = f"{there} of {wanted} rendered" if counts else said
    return Finding(what="scenes", state="off", said=said, advice=advice)


def size(folder: Path) -> str:
    """How much a folder holds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return f"{len(files)} files, {sum(path.stat().st_size for path in files) / GIB:.2f} GiB"
