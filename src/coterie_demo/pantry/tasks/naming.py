"""Naming: a drawing to its name; the test drawings are of a style that was never trained on."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from PIL import Image

from coterie_demo.pantry.assets import PICTURE, AssetStore
from coterie_demo.pantry.catalog import STYLES, UNSEEN_STYLE, Concept, get_drawing, read_concepts
from coterie_demo.pantry.sources import EMOJI, TUXPAINT
from coterie_demo.pantry.tasks.base import PantryTask, Row

MARGIN = 12


class Naming(PantryTask):
    """Name the object of a drawing in one or two words."""

    name = "naming"
    description = "a drawing of a thing; its name"
    sources = EMOJI
    split_sources: ClassVar = {"test_photo": (TUXPAINT,)}
    held_out = (
        "a drawing style that is not in training (Noto; training has Fluent 3D, Fluent flat and "
        "FxEmoji); the things are the same. `test_photo`: pictures of Tux Paint, many of them "
        "photos"
    )
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 150, "test_photo": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        if split == "test_photo":
            yield from list_stamp_photos(assets, self.name)
            return
        for concept, style in shuffle_concepts(split):
            yield {
                "image": assets.store_image(draw_on_white_card(concept, style)),
                "question": "What is this?",
                "answer": list(concept.names),
                "concept": concept.name,
                "style": style,
            }


def shuffle_concepts(split: str) -> list[tuple[Concept, str]]:
    """Which concepts are shown in which style: validation has pairs that are left out of training,
    of concepts that training shows in another style."""
    order = list(read_concepts())
    Random("naming").shuffle(order)
    if split == "test":
        return [(concept, UNSEEN_STYLE) for concept in order]
    pairs = [
        (concept, style) for style in STYLES for concept in order if get_drawing(concept, style)
    ]
    kept_out = {(concept, STYLES[place % 2]) for place, concept in enumerate(order[:60])}
    chosen = [pair for pair in pairs if (pair in kept_out) == (split == "validation")]
    Random(f"naming/{split}").shuffle(chosen)
    return chosen


def draw_on_white_card(concept: Concept, style: str) -> Image.Image:
    """A drawing alone, on white: tasks that show it share one file, and its features."""
    drawn = get_drawing(concept, style)
    assert drawn is not None, (concept, style)
    return paste_on_white(drawn)


def paste_on_white(drawn: Image.Image) -> Image.Image:
    """An image with transparency, scaled to fit, on white."""
    inside = PICTURE - 2 * MARGIN
    scale = inside / max(drawn.size)
    size = (round(drawn.width * scale), round(drawn.height * scale))
    drawn = drawn.convert("RGBA").resize(size, Image.Resampling.BICUBIC)
    page = Image.new("RGB", (PICTURE, PICTURE), "white")
    page.paste(drawn, ((PICTURE - size[0]) // 2, (PICTURE - size[1]) // 2), drawn)
    return page


def list_stamp_photos(assets: AssetStore, seed: str) -> Iterator[Row]:
    """Stamps of Tux Paint that are named as a concept is."""
    named = {name: concept for concept in reversed(read_concepts()) for name in concept.names}
    below = assets.fetched[TUXPAINT] / "usr" / "share" / "tuxpaint" / "stamps"
    found = sorted(file for file in below.rglob("*.png") if file.stem.replace("_", " ") in named)
    Random(f"{seed}/photo").shuffle(found)
    for file in found:
        concept = named[file.stem.replace("_", " ")]
        with Image.open(file) as opened:
            picture = assets.store_image(paste_on_white(opened))
        yield {
            "image": picture,
            "question": "What is this?",
            "answer": list(concept.names),
            "concept": concept.name,
            "style": f"tuxpaint/{file.relative_to(below).parts[0]}",
        }
