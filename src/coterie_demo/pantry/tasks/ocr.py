"""OCR: a printed word to its letters; the test words and their fonts are unseen."""

from collections.abc import Iterator
from random import Random
from typing import ClassVar

from PIL import Image, ImageDraw

from coterie_demo.pantry.assets import PICTURE, AssetStore
from coterie_demo.pantry.catalog import FONTS as SEEN_FONTS
from coterie_demo.pantry.catalog import UNSEEN_FONTS, load_font, read_words
from coterie_demo.pantry.sources import CONCEPTS, FONTS
from coterie_demo.pantry.tasks.base import PantryTask, Row

PAPERS = ("#ffffff", "#fdf6e3", "#e8f1f8", "#f4e8ee", "#ecf4e4")
INKS = ("#111111", "#1b3a6b", "#6b1b1b", "#1e5631", "#4b2a6b")
FILLED = 0.88
"""Largest fraction of the image's width or height that a word takes."""


class Ocr(PantryTask):
    """The word that is printed, 3 to 5 letters."""

    name = "ocr"
    description = "a printed word of 3 to 5 letters; its letters"
    sources = (CONCEPTS, FONTS)
    held_out = "words and fonts that are not in training"
    metric = "character_error_rate"
    sizes: ClassVar = {"train": 1000, "validation": 60, "test": 120}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        chosen = split_words()[split]
        fonts = UNSEEN_FONTS if split == "test" else SEEN_FONTS
        for number in range(self.sizes[split]):
            random = Random(f"ocr/{split}/{number}")
            word = chosen[number % len(chosen)]
            called = fonts[(number + number // len(chosen)) % len(fonts)]
            yield {
                "image": assets.store_image(draw_word(word, called, random)),
                "question": "Read the word.",
                "answer": word,
                "font": called,
            }


def split_words() -> dict[str, list[str]]:
    """Split to its words: a word is in one split."""
    mixed = list(read_words())
    Random("ocr").shuffle(mixed)
    return {"test": mixed[:120], "validation": mixed[120:180], "train": mixed[180:]}


def draw_word(word: str, called: str, random: Random) -> Image.Image:
    """The word as large as fits, in one of three cases, on coloured paper."""
    page = Image.new("RGB", (PICTURE, PICTURE), random.choice(PAPERS))
    text = random.choice((word, word, word.upper()))
    left, top, right, bottom = load_font(called, 100).getbbox(text)
    room = FILLED * random.uniform(0.9, 1.0) * PICTURE
    size = int(100 * min(room / (right - left), room / (bottom - top)))
    drawn = load_font(called, size)
    left, top, right, bottom = drawn.getbbox(text)
    x = (PICTURE - (right - left)) / 2 - left
    y = (PICTURE - (bottom - top)) / 2 - top + random.uniform(-12, 12)
    ImageDraw.Draw(page).text((x, y), text, fill=random.choice(INKS), font=drawn)
    return page
