"""Spoken initial: the first letter of a spoken word. The test voices are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sources import CONCEPTS, SPEECH
from coterie_demo.pantry.speech import UNSEEN_VOICES, VALIDATION_VOICES, VOICES
from coterie_demo.pantry.tasks.base import PantryTask, Row
from coterie_demo.pantry.tasks.spoken import build_vocabulary


class SpokenInitial(PantryTask):
    """Give the first letter of a spoken word, one of 140 words."""

    name = "spoken_initial"
    description = "a spoken word, one of 140; the letter that it begins with"
    modalities = ("audio",)
    sources = (SPEECH, CONCEPTS)
    held_out = "voices that are not in training; the words are the same"
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        voices = {"train": VOICES, "validation": VALIDATION_VOICES, "test": UNSEEN_VOICES}[split]
        pairs = [(word, voice) for word in build_vocabulary() for voice in voices]
        Random(f"spoken_initial/{split}").shuffle(pairs)
        for word, voice in pairs:
            yield {
                "audio": assets.request_speech(voice, word),
                "question": "Which letter does the word begin with?",
                "answer": word[0],
                "word": word,
                "voice": voice,
            }
