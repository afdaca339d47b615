"""Sound kind: a recording of an animal or a thing to its kind; the test recordings are unseen."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sounds import COLUMN, Samples, read_recording
from coterie_demo.pantry.sources import TUXPAINT
from coterie_demo.pantry.tasks.base import PantryTask, Row

BELOW = Path("usr/share/tuxpaint/stamps")
FOLDERS = {
    "bird": ("animals/birds",),
    "mammal": ("animals/mammals",),
    "thing": ("household", "hobbies/music"),
}
"""Kind -> the folders of its recordings."""
SECONDS = 2.5
SHARES = {"test": 0.4, "validation": 0.5}
"""Where the test ends, and validation, of a kind's recordings."""


class SoundKind(PantryTask):
    """Say whether a recording is of a bird, a mammal or a thing."""

    name = "sound_kind"
    description = "a recording; of a bird, a mammal, or a thing such as a saw or a cello"
    modalities = (COLUMN,)
    sources = (TUXPAINT,)
    held_out = (
        "recordings that are not in training, of other animals and things; there are few, so "
        "scores are uncertain by ten points or more"
    )
    sizes: ClassVar = {"train": 60, "validation": 20, "test": 40}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        rows = split_recordings(assets.fetched[TUXPAINT] / BELOW)[split]
        Random(f"sound_kind/{split}").shuffle(rows)
        for kind, name, samples in rows:
            yield {
                COLUMN: assets.store_sound(samples),
                "question": "Is it a bird, a mammal or a thing?",
                "answer": kind,
                "choices": sorted(FOLDERS),
                "thing": name,
            }


def split_recordings(below: Path) -> dict[str, list[tuple[str, str, Samples]]]:
    """Split -> kind, name and samples of its recordings; names with one first word are together."""
    found: dict[str, list[tuple[str, str, Samples]]] = {"train": [], "validation": [], "test": []}
    for kind, folders in FOLDERS.items():
        heard = list_distinct_recordings(below, folders)
        families = sorted({name.split("_")[0] for name in heard})
        Random(f"sound_kind/{kind}").shuffle(families)
        for name, samples in heard.items():
            share = families.index(name.split("_")[0]) / len(families)
            split = next((split for split, end in SHARES.items() if share < end), "train")
            found[split].append((kind, name, samples))
    return found


def list_distinct_recordings(below: Path, folders: tuple[str, ...]) -> dict[str, Samples]:
    """Name of a stamp -> the sound of what it shows; silent ones and copies are left out."""
    files = [file for folder in folders for file in sorted((below / folder).rglob("*.ogg"))]
    found: dict[bytes, tuple[str, Samples]] = {}
    for file in files:
        # Others say the stamp's name in some language.
        if file.with_suffix(".png").exists() or file.with_suffix(".svg").exists():
            samples = read_recording(file, seconds=SECONDS)
            found.setdefault(samples.tobytes(), (file.stem, samples))
    return {name: samples for name, samples in found.values() if samples.any()}
