"""Chart: questions about bars of real food values; the test charts are of unseen foods."""

from collections.abc import Iterator
from itertools import pairwise
from random import Random
from typing import ClassVar

from PIL import Image, ImageDraw, ImageFont

from coterie_demo.pantry.assets import PICTURE, AssetStore
from coterie_demo.pantry.catalog import Food, get_foods, load_font
from coterie_demo.pantry.sources import FONTS, FOODS
from coterie_demo.pantry.tasks.base import PantryTask, Row

COLOURS = {
    "red": "#d62728",
    "blue": "#1f77b4",
    "green": "#2ca02c",
    "orange": "#ff9f1c",
    "purple": "#8e44ad",
    "black": "#222222",
}
NUTRIENTS = ("water", "protein", "fat", "carbohydrate", "fibre")
BARS = 3
APART = 10
"""Grams that any two bars differ by, at least."""
BOTTOM, TOP = 3, 80
"""Grams of the lowest bar that is shown, so that its colour is seen, and of the axis' end."""
GROUND, CEILING, LEFT = 192, 30, 36


class Chart(PantryTask):
    """Which bar is highest or lowest, and how high one is."""

    name = "chart"
    description = (
        "bars of what three foods hold in 100 g; the highest's colour, the lowest's, a value"
    )
    sources = (FOODS, FONTS)
    held_out = "foods that are not in training, with their values"
    sizes: ClassVar = {"train": 1050, "validation": 60, "test": 150}

    def generate_rows(self, assets: AssetStore, split: str) -> Iterator[Row]:
        among = get_foods(split)
        for number in range(self.sizes[split] // BARS):
            random = Random(f"chart/{split}/{number}")
            nutrient, bars = choose_foods(among, random)
            picture = assets.store_image(draw_chart(nutrient, bars, random))
            asked = random.choice(list(bars))
            order = sorted(bars, key=lambda colour: bars[colour].nutrients[nutrient])
            answers = {
                "Which colour is highest?": order[-1],
                "Which colour is lowest?": order[0],
                f"How high is {asked}, to tens?": str(round(bars[asked].nutrients[nutrient], -1))[
                    :-2
                ],
            }
            for question, answer in answers.items():
                yield {
                    "image": picture,
                    "question": question,
                    "answer": answer,
                    "nutrient": nutrient,
                    "foods": {colour: food.name for colour, food in bars.items()},
                }


def choose_foods(among: list[Food], random: Random) -> tuple[str, dict[str, Food]]:
    """A nutrient, and for each colour a food; values are apart, and fit the axis."""
    while True:
        nutrient = random.choice(NUTRIENTS)
        fitting = [food for food in among if BOTTOM <= food.nutrients[nutrient] <= TOP]
        # Few foods have much of anything: half of the bars are drawn from those that have some.
        rich = [food for food in fitting if food.nutrients[nutrient] >= APART] or fitting
        chosen = [random.choice(random.choice((rich, fitting))) for _ in range(BARS)]
        values = sorted(food.nutrients[nutrient] for food in chosen)
        if all(high - low >= APART for low, high in pairwise(values)):
            return nutrient, dict(zip(random.sample(list(COLOURS), BARS), chosen, strict=True))


def draw_chart(nutrient: str, bars: dict[str, Food], random: Random) -> Image.Image:
    """Bars over an axis from 0 to 80 g, with the foods below them."""
    page = Image.new("RGB", (PICTURE, PICTURE), random.choice(("#ffffff", "#faf7f0", "#f2f5f9")))
    draw = ImageDraw.Draw(page)
    letters = load_font("Roboto-Regular", 13)
    draw.text(
        (LEFT, 6), f"{nutrient}, g in 100 g", fill="#222222", font=load_font("Roboto-Bold", 15)
    )
    for value in range(0, TOP + 1, 20):
        y = value_to_y(float(value))
        draw.line([(LEFT, y), (PICTURE - 6, y)], fill="#bbbbbb")
        draw.text((LEFT - 6, y), str(value), fill="#222222", font=letters, anchor="rm")
    step = (PICTURE - 6 - LEFT) // BARS
    for place, (colour, food) in enumerate(bars.items()):
        x = LEFT + place * step
        top = value_to_y(food.nutrients[nutrient])
        draw.rectangle([(x + 8, top), (x + step - 8, GROUND)], fill=COLOURS[colour])
        label = truncate_name(food, letters, step)
        draw.text((x + step // 2, GROUND + 6), label, fill="#222222", font=letters, anchor="ma")
    return page


def value_to_y(value: float) -> int:
    """Where the axis has so many grams, in pixels from above."""
    return round(GROUND - value / TOP * (GROUND - CEILING))


def truncate_name(food: Food, letters: ImageFont.FreeTypeFont, width: int) -> str:
    """The food's name, cut where it is too wide."""
    name = food.name.split(",")[0]
    while letters.getlength(name) > width - 2:
        name = name[:-1]
    return name
