"""Instrument: three notes to the instrument that plays them; the test recordings are unseen."""

from collections.abc import Iterator
from random import Random

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sounds import COLUMN
from coterie_demo.pantry.tasks.base import Row
from coterie_demo.pantry.tasks.notes import INSTRUMENTS, NoteTask, choose_keys, play_notes

NOTES = 3
NOTE_S, GAP_S = 0.5, 0.05
KEPT_OUT = 5
"""Tunes whose keys have a sum that it divides are of validation; training has the others."""


class Instrument(NoteTask):
    """Recognise an instrument, of twenty."""

    name = "instrument"
    description = "three notes of an instrument; which of twenty"
    held_out = "another sound font (TimGM6mb): other recordings of the same instruments"

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        names = list(INSTRUMENTS)
        for number in range(self.sizes[split]):
            random = Random(f"instrument/{split}/{number}")
            called = names[number % len(names)]
            keys = choose_tune(called, split, random)
            played = play_notes(assets, split, called, keys, note_s=NOTE_S, gap_s=GAP_S)
            yield {
                COLUMN: assets.store_sound(played),
                "question": "Which instrument is it?",
                "answer": called,
                "keys": keys,
            }


def choose_tune(called: str, split: str, random: Random) -> list[int]:
    """Three keys, of which training and validation have none in common."""
    while True:
        keys = choose_keys(called, NOTES, random)
        if split == "test" or (sum(keys) % KEPT_OUT == 0) == (split == "validation"):
            return keys
