"""Spoken question: a spoken question about an image; the test voices and the style are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from PIL import Image

from coterie_demo.pantry.assets import PICTURE, AssetStore
from coterie_demo.pantry.catalog import STYLES, UNSEEN_STYLE, Concept, get_drawing, read_concepts
from coterie_demo.pantry.sources import EMOJI, SPEECH
from coterie_demo.pantry.speech import VOICES_OF_SPLIT
from coterie_demo.pantry.tasks.base import PantryTask, Row
from coterie_demo.pantry.tasks.group import AS

GROUNDS = {
    "red": "#f4a6a0",
    "blue": "#9cc3ee",
    "green": "#a5d6a0",
    "yellow": "#f7e58b",
    "white": "#ffffff",
    "grey": "#a9a9a9",
}
QUESTIONS = {
    "name": ("What is it?", "What do you see in the picture?"),
    "kind": ("What kind of thing is it?", "Which kind of thing do you see?"),
    "count": ("How many are there?", "Count them. How many do you see?"),
    "colour": ("What colour is the background?", "Which colour is behind?"),
}
THINGS = 100
MAX_COUNT = 4
ASKED = 3
"""Questions per image, out of four: only the sound tells which."""
POSITIONS = ((14, 14), (116, 14), (14, 116), (116, 116))
SIDE = 94


class SpokenQuestion(PantryTask):
    """Answer a spoken question about an image: name, kind, count, or colour of the background."""

    name = "spoken_question"
    description = "a picture and a spoken question; name, kind, count or colour of the background"
    modalities = ("audio", "image")
    sources = (*EMOJI, SPEECH)
    held_out = "voices and a drawing style (Noto) that are not in training; the things are the same"
    sizes: ClassVar = {"train": 1050, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        for number in range(self.sizes[split] // ASKED):
            random = Random(f"spoken_question/{split}/{number}")
            concept, style = choose_concept(split, random)
            count, colour = number % MAX_COUNT + 1, random.choice(list(GROUNDS))
            picture = assets.store_image(draw_scene(concept, style, count, colour, random))
            answers: dict[str, str | list[str]] = {
                "name": list(concept.names),
                "kind": AS.get(concept.kind, concept.kind),
                "count": str(count),
                "colour": colour,
            }
            for asked in random.sample(list(QUESTIONS), ASKED):
                said, voice = random.choice(QUESTIONS[asked]), random.choice(VOICES_OF_SPLIT[split])
                yield {
                    "image": picture,
                    "audio": assets.request_speech(voice, said),
                    "question": "Answer the spoken question.",
                    "answer": answers[asked],
                    "said": said,
                    "concept": concept.name,
                    "style": style,
                    "voice": voice,
                }


def choose_concept(split: str, random: Random) -> tuple[Concept, str]:
    """One of the hundred concepts, and a style that has it."""
    order = list(read_concepts())
    Random("spoken_question").shuffle(order)
    style = UNSEEN_STYLE if split == "test" else random.choice(STYLES)
    among = [concept for concept in order[:THINGS] if get_drawing(concept, style) is not None]
    return random.choice(among), style


def draw_scene(
    concept: Concept, style: str, count: int, colour: str, random: Random
) -> Image.Image:
    """One to four drawings of a concept on a coloured background."""
    page = Image.new("RGB", (PICTURE, PICTURE), GROUNDS[colour])
    whole = get_drawing(concept, style)
    assert whole is not None, (concept, style)
    small = whole.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    for left, top in random.sample(POSITIONS, count):
        page.paste(small, (left, top), small)
    return page
