"""The photos of foods, one each, as the tasks about them show them."""

from functools import cache

from PIL import Image

from coterie_demo.pantry.assets import PICTURE, AssetStore
from coterie_demo.pantry.catalog import Food
from coterie_demo.pantry.sources import FOODS, PHOTOS
from coterie_demo.pantry.tasks.base import PantryTask


class PhotoTask(PantryTask):
    """A task about photos of foods."""

    sources = (PHOTOS, FOODS)
    held_out = "families of foods that are not in training (all apples are one family)"


def store_photo(assets: AssetStore, food: Food) -> str:
    """The middle of the food's photo, as a square; its path."""
    below = assets.fetched[PHOTOS] / "package" / "assets"
    return assets.store_image(crop_square(str(below / f"{food.code}.jpeg")))


@cache
def crop_square(file: str) -> Image.Image:
    with Image.open(file) as opened:
        side = min(opened.size)
        left, top = (opened.width - side) // 2, (opened.height - side) // 2
        cut = opened.convert("RGB").crop((left, top, left + side, top + side))
    return cut.resize((PICTURE, PICTURE), Image.Resampling.BICUBIC)
