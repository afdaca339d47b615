"""What `coterie fetch` has brought to this machine, and which clients it can fetch with."""

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
    for client, use in CLIENTS.items():
        path = shutil.which(client)
        if path is None:
            said = f"not installed; {use} are left out"
            yield Finding(what=client, state="off", said=said, advice=f"install {client}")
        else:
            yield Finding(what=client, state="ok", said=f"{path}, for {use}")


def size(folder: Path) -> str:
    """How much a folder holds."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return f"{len(files)} files, {sum(path.stat().st_size for path in files) / GIB:.2f} GiB"
