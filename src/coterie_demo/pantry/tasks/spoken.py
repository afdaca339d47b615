"""Spoken: a spoken word to its letters; the test voices are unseen, some of them people's."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import ClassVar

from coterie_demo.pantry.assets import AssetStore, Attribution
from coterie_demo.pantry.catalog import read_concepts, read_recordings
from coterie_demo.pantry.sources import CONCEPTS, KTUBERLING, SPEECH, TUXPAINT
from coterie_demo.pantry.speech import VOICES_OF_SPLIT
from coterie_demo.pantry.tasks.base import PantryTask, Row

WORDS = 140
BELOW = {KTUBERLING: "usr/share/ktuberling/sounds/en", TUXPAINT: "usr/share/tuxpaint/stamps"}


class Spoken(PantryTask):
    """Recognise a spoken word, one of 140."""

    name = "spoken"
    description = "a spoken word, one of 140; its letters"
    modalities = ("audio",)
    sources = (SPEECH, CONCEPTS)
    split_sources: ClassVar = {"test_recorded": tuple(BELOW)}
    held_out = (
        "voices that are not in training; the words are the same. `test_recorded`: words said by "
        "people, where training has only synthetic speech"
    )
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150, "test_recorded": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        if split == "test_recorded":
            yield from list_recordings(assets)
            return
        for word, voice in shuffle_words(self.name, split):
            yield {
                "audio": assets.request_speech(voice, word),
                "question": "Which word is said?",
                "answer": word,
                "voice": voice,
            }


def shuffle_words(task: str, split: str) -> list[tuple[str, str]]:
    """Every word in every voice of a split, mixed differently for each task."""
    pairs = [(word, voice) for word in build_vocabulary() for voice in VOICES_OF_SPLIT[split]]
    Random(f"{task}/{split}").shuffle(pairs)
    return pairs


def build_vocabulary() -> list[str]:
    """The words of the human recordings, and further short names of concepts."""
    known = sorted({row["word"] for row in read_recordings()})
    names = [concept.name for concept in read_concepts() if " " not in concept.name]
    Random("spoken").shuffle(names)
    more = [name for name in names if len(name) <= 8 and name not in known]
    return [*known, *more][:WORDS]


def list_recordings(assets: AssetStore) -> Iterator[Row]:
    """The recordings that were fetched, mixed."""
    sources: dict[str, tuple[Attribution, Path]] = {
        {KTUBERLING: "ktuberling", TUXPAINT: "tuxpaint"}[source]: (source, Path(below))
        for source, below in BELOW.items()
    }
    rows = list(read_recordings())
    Random("spoken/recorded").shuffle(rows)
    for row in rows:
        source, below = sources[row["source"]]
        if source in assets.fetched:
            yield {
                "audio": assets.store_file(assets.fetched[source] / below / row["file"]),
                "question": "Which word is said?",
                "answer": [row["word"], *filter(None, row["also"].split("|"))],
                "voice": f"recorded/{row['source']}",
            }
