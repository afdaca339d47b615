"""Spoken: a spoken word to its letters; the test voices are unseen, some of them people's."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from coterie.embedded.pantry.larder import Larder, Source
from coterie.embedded.pantry.shelf import concepts, recorded
from coterie.embedded.pantry.sources import CONCEPTS, KTUBERLING, SPEECH, TUXPAINT
from coterie.embedded.pantry.speaking import UNSEEN_VOICES, VALIDATION_VOICES, VOICES
from coterie.embedded.pantry.tasks.base import PantryTask, Row

WORDS = 140
BELOW = {KTUBERLING: "usr/share/ktuberling/sounds/en", TUXPAINT: "usr/share/tuxpaint/stamps"}


class Spoken(PantryTask):
    """The word that is said, one of 140."""

    name = "spoken"
    about = "a spoken word, one of 140; its letters"
    modalities = ("audio",)
    sources = (SPEECH, CONCEPTS)
    held_out = (
        "voices that are not in training; the words are the same. `recorded`: words said by "
        "people, where training has only synthetic speech"
    )
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150, "recorded": 150}

    def splits(self, larder: Larder) -> tuple[str, ...]:
        has = any(source in larder.fetched for source in BELOW)
        return tuple(split for split in self.sizes if split != "recorded" or has)

    def rows(self, larder: Larder, split: str) -> Iterator[Row]:
        if split == "recorded":
            yield from people(larder)
            return
        voices = {"train": VOICES, "validation": VALIDATION_VOICES, "test": UNSEEN_VOICES}[split]
        pairs = [(word, voice) for word in vocabulary() for voice in voices]
        Random(f"spoken/{split}").shuffle(pairs)
        for word, voice in pairs:
            yield {
                "audio": larder.speech(voice, word),
                "question": "Which word is said?",
                "answer": word,
                "voice": voice,
            }


def vocabulary() -> list[str]:
    """The words that people's recordings have, and short names of things beside them."""
    known = sorted({row["word"] for row in recorded()})
    names = [concept.name for concept in concepts() if " " not in concept.name]
    Random("spoken").shuffle(names)
    more = [name for name in names if len(name) <= 8 and name not in known]
    return [*known, *more][:WORDS]


def people(larder: Larder) -> Iterator[Row]:
    """The recordings that were fetched, mixed."""
    sources: dict[str, tuple[Source, Path]] = {
        {KTUBERLING: "ktuberling", TUXPAINT: "tuxpaint"}[source]: (source, Path(below))
        for source, below in BELOW.items()
    }
    rows = list(recorded())
    Random("spoken/recorded").shuffle(rows)
    for row in rows:
        source, below = sources[row["source"]]
        if source in larder.fetched:
            yield {
                "audio": larder.copy(larder.fetched[source] / below / row["file"]),
                "question": "Which word is said?",
                "answer": [row["word"], *filter(None, row["also"].split("|"))],
                "voice": f"recorded/{row['source']}",
            }
