"""Spoken initial: the first letter of a spoken word. The test voices are unseen."""

from collections.abc import Iterator
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore
from coterie_demo.pantry.sources import CONCEPTS, SPEECH
from coterie_demo.pantry.tasks.base import PantryTask, Row
from coterie_demo.pantry.tasks.spoken import shuffle_words


class SpokenInitial(PantryTask):
    """Give the first letter of a spoken word, one of 140 words."""

    name = "spoken_initial"
    description = "a spoken word, one of 140; the letter that it begins with"
    modalities = ("audio",)
    sources = (SPEECH, CONCEPTS)
    held_out = "voices that are not in training; the words are the same"
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        for word, voice in shuffle_words(self.name, split):
            yield {
                "audio": assets.request_speech(voice, word),
                "question": "Which letter does the word begin with?",
                "answer": word[0],
                "word": word,
                "voice": voice,
            }
