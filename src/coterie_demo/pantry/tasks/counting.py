"""Counting: drawings of one concept among others; test concepts and their style are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from PIL import Image

from coterie_demo.pantry.assets import PICTURE, AssetStore
from coterie_demo.pantry.catalog import STYLES, UNSEEN_STYLE, Concept, get_drawing, read_concepts
from coterie_demo.pantry.sources import EMOJI
from coterie_demo.pantry.tasks.base import PantryTask, Row

POSITIONS = 4
"""Grid cells of an image in width and in height."""
MAX_COUNT = 5
UNSEEN = 80
"""Things that only the test has."""
PALE = ("#ffffff", "#f3efe2", "#e4eef7", "#e9f3e2", "#f7e6e6", "#eee6f5")


class Counting(PantryTask):
    """Count the drawings of one concept, 1 to 5, among 1 to 5 of another."""

    name = "counting"
    description = "drawings of two things, 1 to 5 of each; how many there are of one"
    sources = EMOJI
    held_out = "things that this task does not train on, in the unseen drawing style (Noto)"
    sizes: ClassVar = {"train": 900, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        counts = list_count_pairs(split)
        for number, (first, second) in enumerate(counts):
            random = Random(f"counting/{split}/{number}")
            things, style = choose_concepts(split, random)
            drawn = dict(zip(things, (first, second), strict=True))
            picture = assets.store_image(draw_scattered(drawn, style, random))
            for concept, count in drawn.items():
                yield {
                    "image": picture,
                    "question": f"How many: {concept.name}?",
                    "answer": str(count),
                    "concept": concept.name,
                    "style": style,
                }


def list_count_pairs(split: str) -> Iterator[tuple[int, int]]:
    """Both counts of each image: all pairs equally often, so no answer is more likely."""
    turn = 0
    while True:
        pairs = [(a, b) for a in range(1, MAX_COUNT + 1) for b in range(1, MAX_COUNT + 1)]
        Random(f"counting/{split}/turn {turn}").shuffle(pairs)
        yield from pairs
        turn += 1


def choose_concepts(split: str, random: Random) -> tuple[list[Concept], str]:
    """Two concepts that one style has, and the style."""
    order = list(read_concepts())
    Random("counting").shuffle(order)
    style = UNSEEN_STYLE if split == "test" else random.choice(STYLES)
    among = order[:UNSEEN] if split == "test" else order[UNSEEN:]
    return random.sample([c for c in among if get_drawing(c, style) is not None], 2), style


def draw_scattered(drawn: dict[Concept, int], style: str, random: Random) -> Image.Image:
    """Each concept as often as given, in cells of their own, on a pale background."""
    page = Image.new("RGB", (PICTURE, PICTURE), random.choice(PALE))
    step = PICTURE // POSITIONS
    places = random.sample(range(POSITIONS * POSITIONS), sum(drawn.values()))
    for concept, count in drawn.items():
        whole = get_drawing(concept, style)
        assert whole is not None, (concept, style)
        for _ in range(count):
            size = random.randint(step - 10, step - 4)
            small = whole.resize((size, size), Image.Resampling.BICUBIC)
            place = places.pop()
            left = place % POSITIONS * step + random.randint(0, step - size)
            top = place // POSITIONS * step + random.randint(0, step - size)
            page.paste(small, (left, top), small)
    return page
