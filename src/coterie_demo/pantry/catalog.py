"""The vendored part of the pantry: drawings in four styles, foods and their values, and fonts."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageFont

DATA = Path(__file__).parents[1] / "data"
SPRITE = 112
"""Width and height of a drawing, in pixels."""
COLUMNS = 20
"""Drawings in a row of a style's sheet."""

NUTRIENTS = {
    "energy": ("enerc", 1 / 4.184),  # kJ to kcal
    "water": ("water", 1),
    "protein": ("protcnt", 1),
    "fat": ("fatce", 1),
    "carbohydrate": ("choavldf", 1),
    "fibre": ("fibtg", 1),
    "iron": ("fe", 1000),  # g to mg
    "calcium": ("ca", 1000),
    "vitamin C": ("vitc", 1000),
}
"""What `foods.csv` has of 100 g of a food, with the table's own tag and the factor to our unit:
kcal of energy, g of water to fibre, mg of iron to vitamin C."""

STYLES = ("fluent-3d", "fluent-flat", "fxemoji")
UNSEEN_STYLE = "noto"
"""The style that no task trains on."""

FONTS = (
    "OpenSans-Regular",
    "OpenSans-Bold",
    "OpenSans-ExtraBold",
    "Roboto-Regular",
    "Roboto-Bold",
    "Roboto-Black",
    "RobotoCondensed-Bold",
    "cherry-cream-soda",
    "chewy",
    "irish-grover",
    "luckiest-guy",
    "schoolbell",
    "slackey",
    "ultra",
    "unkempt",
    "walter-turncoat",
)
UNSEEN_FONTS = ("special-elite", "permanent-marker", "maiden-orange", "coming-soon")
"""Fonts that no task trains on."""


@dataclass(frozen=True, kw_only=True)
class Concept:
    """A concept that styles have drawings of."""

    index: int
    name: str
    kind: str
    names: tuple[str, ...]
    """All accepted names; the first is `name`."""


@dataclass(frozen=True, kw_only=True)
class Food:
    """A food of the Indian Food Composition Tables, with what 100 g of it hold."""

    code: str
    name: str
    group: str
    nutrients: dict[str, float]

    @property
    def family(self) -> str:
        """What varieties and cuts share: a family is in one split only."""
        return self.name.split(",")[0].split(" - ")[0].rstrip("-0123456789").strip().lower()


def read_csv(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


@cache
def read_concepts() -> tuple[Concept, ...]:
    return tuple(
        Concept(
            index=place,
            name=row["name"],
            kind=row["kind"],
            names=(row["name"], *filter(None, row["also"].split("|"))),
        )
        for place, row in enumerate(read_csv(DATA / "concepts.csv"))
    )


@cache
def read_translations() -> dict[str, dict[str, str]]:
    """Name of a concept -> language -> what emojibase calls its drawing there."""
    return {row.pop("name"): row for row in read_csv(DATA / "translations.csv")}


@cache
def read_foods() -> tuple[Food, ...]:
    return tuple(
        Food(
            code=row["code"],
            name=row["name"],
            group=row["group"],
            nutrients={name: float(row[name]) for name in NUTRIENTS},
        )
        for row in read_csv(DATA / "foods.csv")
    )


@cache
def load_sprite_sheet(style: str) -> Image.Image:
    with Image.open(DATA / f"{style}.webp") as opened:
        return opened.convert("RGBA")


@cache
def get_drawing(concept: Concept, style: str) -> Image.Image | None:
    """The drawing with its transparency, or None where the style does not have it."""
    left, top = concept.index % COLUMNS * SPRITE, concept.index // COLUMNS * SPRITE
    cell = load_sprite_sheet(style).crop((left, top, left + SPRITE, top + SPRITE))
    return cell if cell.getbbox() else None


def load_font(name: str, size: int) -> ImageFont.FreeTypeFont:
    """A vendored font at `size` pixels; laid out plainly, so that all systems draw the same."""
    file = DATA / "fonts" / f"{name}.ttf"
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


@cache
def read_words() -> tuple[str, ...]:
    """English words of 3 to 5 letters."""
    return tuple((DATA / "words.txt").read_text(encoding="utf-8").split())


@cache
def split_foods() -> dict[str, list[Food]]:
    families = sorted({food.family for food in read_foods()})
    Random("foods").shuffle(families)
    first, second = round(len(families) * 0.22), round(len(families) * 0.3)
    places = {family: place for place, family in enumerate(families)}
    found: dict[str, list[Food]] = {"train": [], "validation": [], "test": []}
    for food in read_foods():
        place = places[food.family]
        split = "test" if place < first else "validation" if place < second else "train"
        found[split].append(food)
    return found


def get_foods(split: str) -> list[Food]:
    """The foods of a split, the same ones for every task; a family is in one split only."""
    return split_foods()[split]


def read_recordings() -> list[dict[str, str]]:
    """What people say in which file of a fetched source: "source", "file", "word", "also"."""
    return read_csv(DATA / "recorded.csv")
