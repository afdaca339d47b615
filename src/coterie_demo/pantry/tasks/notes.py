"""Played notes: what the tasks about instruments share. Test notes are of an unseen sound font."""

from functools import cache
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.soundfont import PLAYED_HZ, SoundFont
from coterie_demo.pantry.sounds import COLUMN, Samples, resample, trim
from coterie_demo.pantry.sources import FLUID, TIMGM
from coterie_demo.pantry.tasks.base import PantryTask

FILES = {
    FLUID: "usr/share/fluidr3mono-gm-soundfont/FluidR3Mono_GM.sf3",
    TIMGM: "usr/share/sounds/sf2/TimGM6mb.sf2",
}
INSTRUMENTS = {
    "piano": (0, 48, 84),
    "harpsichord": (6, 48, 76),
    "music box": (10, 60, 88),
    "marimba": (12, 48, 79),
    "church organ": (19, 48, 79),
    "accordion": (21, 53, 79),
    "guitar": (24, 43, 74),
    "electric guitar": (30, 43, 74),
    "bass": (33, 28, 48),
    "violin": (40, 57, 88),
    "harp": (46, 48, 84),
    "timpani": (47, 36, 53),
    "choir": (52, 50, 76),
    "trumpet": (56, 55, 79),
    "tuba": (58, 29, 50),
    "saxophone": (65, 50, 76),
    "clarinet": (71, 52, 81),
    "flute": (73, 62, 90),
    "banjo": (105, 50, 76),
    "bagpipe": (109, 57, 76),
}
"""Instrument -> its program of General MIDI, and the lowest and the highest key that is played."""


class NoteTask(PantryTask):
    """A task about notes of instruments; training is played with one font, test with another."""

    modalities = (COLUMN,)
    sources = (FLUID, TIMGM)
    sizes: ClassVar = {"train": 600, "validation": 60, "test": 150}


def play_notes(
    assets: AssetStore, split: str, instrument: str, keys: list[int], *, note_s: float, gap_s: float
) -> Samples:
    """Notes one after the other, `note_s` long each and `gap_s` apart."""
    source = TIMGM if split == "test" else FLUID
    font = open_font(assets.fetched[source] / FILES[source])
    program = INSTRUMENTS[instrument][0]
    gap = np.zeros(round(gap_s * PLAYED_HZ), np.float32)
    parts = [part for key in keys for part in (font.play(program, key, seconds=note_s), gap)]
    played = resample(np.concatenate(parts[:-1]), PLAYED_HZ)
    return trim(played, seconds=len(keys) * (note_s + gap_s))


def choose_keys(instrument: str, count: int, random: Random) -> list[int]:
    """Keys of the instrument, at most an octave apart."""
    _, low, high = INSTRUMENTS[instrument]
    base = random.randint(low, high - 12)
    return [base + random.randint(0, 12) for _ in range(count)]


@cache
def open_font(file: Path) -> SoundFont:
    return SoundFont(file)
