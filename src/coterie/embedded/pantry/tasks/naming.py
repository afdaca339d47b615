"""Naming: a drawing to its name; the test drawings are of a style that was never trained on."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from PIL import Image

from coterie.embedded.pantry.larder import PICTURE, Larder
from coterie.embedded.pantry.shelf import STYLES, UNSEEN_STYLE, Concept, concepts, drawing
from coterie.embedded.pantry.sources import EMOJI, TUXPAINT
from coterie.embedded.pantry.tasks.base import PantryTask, Row

MARGIN = 12


class Naming(PantryTask):
    """What is drawn, in one or two words."""

    name = "naming"
    about = "a drawing of a thing; its name"
    modalities = ("image",)
    sources = EMOJI
    held_out = (
        "a drawing style that is not in training (Noto; training has Fluent 3D, Fluent flat and "
        "FxEmoji); the things are the same. `photo`: pictures of Tux Paint, many of them photos"
    )
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150, "photo": 150}

    def splits(self, larder: Larder) -> tuple[str, ...]:
        return tuple(
            split for split in self.sizes if split != "photo" or TUXPAINT in larder.fetched
        )

    def rows(self, larder: Larder, split: str) -> Iterator[Row]:
        if split == "photo":
            yield from photos(larder, self.name)
            return
        for concept, style in mixed(split):
            yield {
                "image": larder.picture(card(concept, style)),
                "question": "What is this?",
                "answer": list(concept.names),
                "concept": concept.name,
                "style": style,
            }


def mixed(split: str) -> list[tuple[Concept, str]]:
    """Which concepts are shown in which style: validation has pairs that are left out of training,
    of concepts that training shows in another style."""
    order = list(concepts())
    Random("naming").shuffle(order)
    if split == "test":
        return [(concept, UNSEEN_STYLE) for concept in order]
    pairs = [(concept, style) for style in STYLES for concept in order if drawing(concept, style)]
    kept_out = {(concept, STYLES[place % 2]) for place, concept in enumerate(order[:60])}
    chosen = [pair for pair in pairs if (pair in kept_out) == (split == "validation")]
    Random(f"naming/{split}").shuffle(chosen)
    return chosen


def card(concept: Concept, style: str) -> Image.Image:
    """A drawing alone, on white: tasks that show it share one file, and its features."""
    drawn = drawing(concept, style)
    assert drawn is not None, (concept, style)
    return on_white(drawn)


def on_white(drawn: Image.Image) -> Image.Image:
    """A picture with its transparency, as large as fits, on white."""
    inside = PICTURE - 2 * MARGIN
    scale = inside / max(drawn.size)
    size = (round(drawn.width * scale), round(drawn.height * scale))
    drawn = drawn.convert("RGBA").resize(size, Image.Resampling.BICUBIC)
    page = Image.new("RGB", (PICTURE, PICTURE), "white")
    page.paste(drawn, ((PICTURE - size[0]) // 2, (PICTURE - size[1]) // 2), drawn)
    return page


def photos(larder: Larder, seed: str) -> Iterator[Row]:
    """Stamps of Tux Paint that are named as a concept is."""
    named = {name: concept for concept in reversed(concepts()) for name in concept.names}
    below = larder.fetched[TUXPAINT] / "usr" / "share" / "tuxpaint" / "stamps"
    found = sorted(file for file in below.rglob("*.png") if file.stem.replace("_", " ") in named)
    Random(f"{seed}/photo").shuffle(found)
    for file in found:
        concept = named[file.stem.replace("_", " ")]
        with Image.open(file) as opened:
            picture = larder.picture(on_white(opened))
        yield {
            "image": picture,
            "question": "What is this?",
            "answer": list(concept.names),
            "concept": concept.name,
            "style": f"tuxpaint/{file.relative_to(below).parts[0]}",
        }
