"""Note count: how many notes are played; test instruments and their recordings are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sounds import COLUMN
from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.notes import INSTRUMENTS, NoteTask, choose_keys, play_notes

MAX_COUNT = 5
UNSEEN = ("harpsichord", "accordion", "violin", "trumpet", "banjo")
"""Instruments that only the test has."""


class NoteCount(NoteTask):
    """Count the notes of an instrument, 1 to 5."""

    name = "note_count"
    description = "1 to 5 notes of an instrument; how many"
    held_out = "instruments that this task does not train on, of another sound font (TimGM6mb)"
    sizes: ClassVar = {"train": 500, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        seen = tuple(name for name in INSTRUMENTS if name not in UNSEEN)
        for number in range(self.sizes[split]):
            random = Random(f"note_count/{split}/{number}")
            called = random.choice(UNSEEN if split == "test" else seen)
            count = number % MAX_COUNT + 1
            keys = choose_keys(called, count, random)
            lengths = {"note_s": random.uniform(0.25, 0.4), "gap_s": random.uniform(0.05, 0.1)}
            yield {
                COLUMN: assets.store_sound(play_notes(assets, split, called, keys, **lengths)),
                "question": "How many notes are played?",
                "answer": str(count),
                "instrument": called,
            }
